"""A saved checkpoint outlives a power failure."""

import os

from etils import epath

from sisr_jax.train.checkpoint import Checkpointer


def test_a_complete_save_is_on_the_disk(steps, tmp_path, monkeypatch):
    synced = set()

    def fsync(descriptor):
        synced.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", fsync)
    checkpointer = Checkpointer(epath.Path(tmp_path), keep_last=1, keep_steps=())
    checkpointer.save(steps.state("us_srgan", ()), validation_psnr=None)
    checkpointer.wait()
    checkpoints = tmp_path / "checkpoints"
    written = {path.stat().st_ino for path in checkpoints.rglob("*")}
    assert len(written) > 10
    assert written | {checkpoints.stat().st_ino} == synced
    synced.clear()
    checkpointer.close()
    assert not synced

"""A saved checkpoint outlives a power failure."""

import errno
import os

import pytest
from etils import epath

from sisr_jax.checkpoints.restore import CheckpointReader, has_checkpoints
from sisr_jax.checkpoints.save import Checkpointer
from sisr_jax.errors import StorageError


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


def test_no_checkpoint_goes_before_its_successor_is_on_the_disk(
    steps, tmp_path, monkeypatch
):
    state = steps.state("us_srgan", ())
    checkpointer = Checkpointer(epath.Path(tmp_path), keep_last=1, keep_steps=())
    checkpointer.save(state, validation_psnr=None)
    checkpointer.wait()
    checkpoints = tmp_path / "checkpoints"
    (first,) = checkpoints.iterdir()
    synced = set()

    def fsync(descriptor):
        if first.exists():
            synced.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", fsync)
    checkpointer.save(state.replace(step=state.step + 1), validation_psnr=None)
    checkpointer.wait()
    (second,) = checkpoints.iterdir()
    assert second != first
    items = [path for path in second.rglob("*") if path.parent != second]
    assert len(items) > 10
    assert {path.stat().st_ino for path in items} <= synced
    # What Orbax still writes beside the items may come back empty.
    for path in second.iterdir():
        if path.is_file():
            path.write_bytes(b"")
    assert checkpointer.restore(int(state.step) + 1, state) is not None
    checkpointer.close()
    assert CheckpointReader(epath.Path(tmp_path)).restore_newest(state) is not None


def test_a_save_that_the_disk_refuses_costs_no_checkpoint(steps, tmp_path, monkeypatch):
    state = steps.state("us_srgan", ())
    checkpointer = Checkpointer(epath.Path(tmp_path), keep_last=1, keep_steps=())
    checkpointer.save(state, validation_psnr=None)
    checkpointer.wait()

    def fsync(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    checkpointer.save(state.replace(step=state.step + 1), validation_psnr=None)
    with pytest.raises(StorageError, match="saving failed: Input/output error"):
        checkpointer.wait()
    assert has_checkpoints(epath.Path(tmp_path))
    assert CheckpointReader(epath.Path(tmp_path)).steps() == (int(state.step),)

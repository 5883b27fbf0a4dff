"""What counts as a checkpoint, and that a storage that is away damages none."""

import subprocess
import sys
import threading

import pytest
from etils import epath

from sisr_jax.checkpoints import outages
from sisr_jax.checkpoints.restore import has_checkpoints
from sisr_jax.checkpoints.save import Checkpointer
from sisr_jax.errors import StorageError
from sisr_jax.storage.files import names_in, write_whole


@pytest.mark.parametrize("is_complete", [False, True])
def test_first_save_that_was_cut_short_is_no_checkpoint(folder, is_complete):
    assert not has_checkpoints(folder)
    in_bucket = str(folder).startswith("gs://")
    name = "0" if is_complete or in_bucket else "0.orbax-checkpoint-tmp"
    write_whole(folder / "checkpoints" / name / "_CHECKPOINT_METADATA", "{}")
    if is_complete and in_bucket:
        write_whole(folder / "checkpoints" / name / "commit_success.txt", "done")
    assert has_checkpoints(folder) == is_complete


def test_a_number_of_other_digits_is_no_checkpoint(tmp_path):
    write_whole(epath.Path(tmp_path) / "checkpoints" / "\u0669" / "arrays", "")
    assert not has_checkpoints(epath.Path(tmp_path))


@pytest.fixture
def checkpointer(folder, monkeypatch):
    """One that knows of the steps 3 and 8, whatever is there."""
    for step in ("3", "8"):
        write_whole(folder / "checkpoints" / step / "arrays", step)
        write_whole(folder / "checkpoints" / step / "commit_success.txt", "done")
    opened = Checkpointer(folder, keep_last=1, keep_steps=())
    monkeypatch.setattr(opened, "steps", lambda: (3, 8))
    yield opened
    opened.close()


@pytest.mark.parametrize("folder", ["bucket"], indirect=True)
@pytest.mark.parametrize(
    "error",
    [
        ValueError("UNAVAILABLE: Error reading manifest: connection refused"),
        ValueError("Restoring failed: PERMISSION_DENIED: no access"),
        TimeoutError("timed out"),
    ],
)
def test_unreachable_checkpoint_is_not_set_aside(
    checkpointer, folder, error, monkeypatch
):
    def restore(step, target):
        raise error

    monkeypatch.setattr(checkpointer, "_read", restore)
    with pytest.raises(StorageError, match=r"checkpoints/8: reading failed: "):
        checkpointer.restore_newest(None)
    assert names_in(folder / "checkpoints") == ["3", "8"]
    assert names_in(folder) == ["checkpoints"]


def test_save_that_hangs_is_given_up_on(tmp_path, monkeypatch):
    opened = Checkpointer(epath.Path(tmp_path), keep_last=1, keep_steps=())
    released = threading.Event()
    monkeypatch.setattr(outages, "SAVE_SECONDS", 0.05)
    monkeypatch.setattr(opened._manager, "wait_until_finished", released.wait)
    with pytest.raises(StorageError, match=r"checkpoints: saving failed: not done"):
        opened.wait()
    released.set()
    monkeypatch.undo()
    opened.close()


# Many arrays that are too large for a file, as Orbax writes those of a checkpoint: it
# leaves its event loop with the first one that fails.
FAILING = """
import asyncio, resource, sys, time
import numpy as np, tensorstore as ts
from sisr_jax.checkpoints.outages import without_late_failures
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
async def write(number):
    store = {"driver": "file", "path": f"{sys.argv[1]}/{number}"}
    metadata = {"shape": [40_000], "chunks": [40_000], "dtype": "<f4"}
    metadata["compressor"] = None
    spec = {"driver": "zarr", "kvstore": store, "metadata": metadata, "create": True}
    array = await ts.open(spec)
    await array.write(np.ones(40_000, np.float32))
async def write_all():
    await asyncio.gather(*map(write, range(40)))
class Other:
    def __del__(self):
        raise RuntimeError("of something else")
with without_late_failures():
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(write_all())
    except ValueError as error:
        print("File too large" in str(error))
    loop.close()
    time.sleep(0.3)
    Other()
"""


def test_arrays_that_fail_after_a_save_has_failed_say_nothing(tmp_path):
    found = subprocess.run(
        [sys.executable, "-c", FAILING, tmp_path], capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (0, "True\n")
    assert "of something else" in found.stderr
    assert "Event loop is closed" not in found.stderr

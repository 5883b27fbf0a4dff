"""A checkpoint that is damaged anywhere is not restored as something else."""

import gc
import json
import os
import pathlib
import shutil

import jax
import numpy as np
import pytest
from etils import epath
from trees import same

from experiments.reliability.fuzzing.small_states import bits, small_state
from sisr_jax.checkpoints.pretrained import load_weights
from sisr_jax.checkpoints.restore import CheckpointError, CheckpointReader
from sisr_jax.checkpoints.save import Checkpointer

# Orbax leaves the other reads of a checkpoint unfinished when one of them fails.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:coroutine .* was never awaited:RuntimeWarning",
)

OLD, NEW = small_state(3, seed=1), small_state(8, seed=2)
TARGET = jax.tree.map(
    lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding),
    NEW,
)


@pytest.fixture(autouse=True)
def unfinished_reads_end_here():
    """And not in a later test, which has no part in them."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with the checkpoints 3 and 8."""
    folder = tmp_path_factory.mktemp("saved")
    checkpointer = Checkpointer(epath.Path(folder), keep_last=2, keep_steps=())
    for state in (OLD, NEW):
        checkpointer.save(state, validation_psnr=30.0)
    checkpointer.close()
    return folder


@pytest.fixture
def workdir(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "run")
    return epath.Path(tmp_path / "run")


def _newest(workdir):
    reader = CheckpointReader(workdir)
    try:
        return reader.restore_newest(TARGET)
    finally:
        reader.close()


def _flips(content, rng, count):
    for position in rng.integers(0, 8 * len(content), count):
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
        yield bytes(damaged)


def _files(workdir):
    found = sorted((pathlib.Path(workdir) / "checkpoints" / "8").rglob("*"))
    return [path for path in found if path.is_file()]


def test_what_was_saved_is_restored(workdir):
    assert bits(_newest(workdir)) == bits(NEW)


def _flip_a_weight(workdir, item):
    """Changes a bit of an array that has a file to itself, which has no checksum."""
    files = [path for path in _files(workdir) if item in path.parts]
    (path, *_) = (path for path in files if path.stat().st_size > 4000)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("item", ["generator", "discriminator", "training"])
def test_a_weight_that_changed_on_the_disk_is_noticed(workdir, item, caplog):
    _flip_a_weight(workdir, item)
    assert bits(_newest(workdir)) == bits(OLD)
    (line,) = (message for message in caplog.messages if "trying the one" in message)
    assert "checkpoints/8 cannot be read (1 arrays" in line
    assert f"not what was saved, the first is {item}/" in line
    reader = CheckpointReader(workdir)
    with pytest.raises(CheckpointError, match=r"checkpoints/8 is damaged: 1 arrays"):
        reader.restore(8, TARGET)
    with pytest.raises(CheckpointError, match=r"checkpoints/5: there is no checkpoint"):
        reader.restore(5, TARGET)
    reader.close()


def test_damaged_weights_of_another_run_are_those_of_the_checkpoint_before(
    workdir, caplog
):
    _flip_a_weight(workdir, "generator")
    found = load_weights(workdir, "generator", NEW.generator)
    assert same(found["params"], OLD.generator_ema)
    assert "checkpoint 8 cannot be read (1 arrays are not what was saved" in caplog.text
    found = load_weights(workdir, "discriminator", NEW.discriminator)
    assert same(found["params"], NEW.discriminator.params)


def test_an_item_that_is_missing_is_passed_over(workdir):
    (workdir / "checkpoints" / "8" / "generator").rmtree()
    assert bits(_newest(workdir)) == bits(OLD)
    found = load_weights(workdir, "generator", NEW.generator)
    assert same(found["params"], OLD.generator_ema)
    (workdir / "checkpoints" / "3" / "generator").rmtree()
    with pytest.raises(CheckpointError, match=r"none of the checkpoints \(3, 8\)"):
        _newest(workdir)
    with pytest.raises(CheckpointError, match=r"none of its checkpoints \(3, 8\)"):
        load_weights(workdir, "generator", NEW.generator)


def test_a_checkpoint_under_another_step_is_not_used(workdir):
    (workdir / "checkpoints" / "8").rename(workdir / "checkpoints" / "9")
    assert bits(_newest(workdir)) == bits(OLD)


@pytest.mark.parametrize("text", [None, "", "[]", "{", "{}"])
def test_digests_that_are_damaged_are_not_passed_over(workdir, text):
    path = workdir / "checkpoints" / "8" / "digests" / "metadata"
    path.unlink() if text is None else path.write_text(text)
    assert bits(_newest(workdir)) == bits(OLD)


@pytest.mark.parametrize("put", [os.mkfifo, lambda path: os.symlink("/dev/null", path)])
@pytest.mark.parametrize("name", ["digests/metadata", "generator/manifest.ocdbt"])
def test_what_is_no_file_is_neither_waited_for_nor_read(workdir, put, name):
    path = workdir / "checkpoints" / "8" / name
    path.unlink()
    put(path)
    assert bits(_newest(workdir)) == bits(OLD)
    found = load_weights(workdir, "generator", NEW.generator)
    assert same(found["params"], OLD.generator_ema)


@pytest.mark.parametrize("step", [3, 8])
@pytest.mark.parametrize(
    "change",
    [
        {"commit_timestamp_nsecs": "x"},
        {"item_handlers": 3},
        {"performance_metrics": {"hours": 1.5}},
        None,
    ],
)
def test_what_one_checkpoint_says_of_itself_does_not_stop_the_others(
    workdir, step, change
):
    path = workdir / "checkpoints" / str(step) / "_CHECKPOINT_METADATA"
    text = "[]" if change is None else json.dumps(json.loads(path.read_text()) | change)
    path.write_text(text)
    sound = [bits(OLD), bits(NEW)] if step == 8 else [bits(NEW)]
    assert bits(_newest(workdir)) in sound
    checkpointer = Checkpointer(workdir, keep_last=3, keep_steps=())
    assert bits(checkpointer.restore_newest(TARGET)) in sound
    checkpointer.save(small_state(9, seed=3), validation_psnr=20.0)
    checkpointer.close()
    assert int(_newest(workdir).step) == 9


def test_a_checkpoint_without_digests_is_older_and_restores(workdir):
    (workdir / "checkpoints" / "8" / "digests").rmtree()
    assert bits(_newest(workdir)) == bits(NEW)


@pytest.mark.slow
def test_damage_anywhere_is_noticed_or_harmless(workdir):
    rng = np.random.default_rng(0)
    outcomes = []
    for path in _files(workdir):
        content = path.read_bytes()
        for text in [*_flips(content, rng, 2), content[: len(content) // 2], b"", None]:
            path.unlink() if text is None else path.write_bytes(text)
            found = bits(_newest(workdir))
            assert found in (bits(NEW), bits(OLD)), path
            outcomes.append(found == bits(NEW))
            path.write_bytes(content)
    assert 20 < sum(outcomes) < len(outcomes) - 20

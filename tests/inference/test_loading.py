"""Runs: their folder is enough to use what they learned."""

import pathlib
import shutil
import tarfile
import zlib

import jax
import numpy as np
import pytest
from etils import epath

from sisr_jax.checkpoints.restore import CheckpointError
from sisr_jax.errors import InputError
from sisr_jax.inference import load

# Orbax leaves the other reads of a checkpoint unfinished when one of them fails.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:coroutine .* was never awaited:RuntimeWarning",
)

# Of the first version, with batch normalisation, after two steps.
ARCHIVE = pathlib.Path(__file__).parents[1] / "checkpoints" / "first_version.tar.xz"
# CRC-32 of its averaged generator, as in `test_first_version`.
AVERAGE = 0xAA99EDA4


@pytest.fixture
def workdir(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path / "run", filter="data")
    return epath.Path(tmp_path / "run")


def test_the_averaged_generator_of_a_run(workdir):
    restorer = load(workdir)
    assert restorer.card == {"name": "run", "step": 2}
    assert set(restorer.variables) == {"params", "batch_stats"}
    leaves = jax.tree.leaves(restorer.variables["params"])
    content = b"".join(np.asarray(leaf).tobytes() for leaf in leaves)
    assert zlib.crc32(content) == AVERAGE
    image = np.random.default_rng(0).random((3, 32, 32), np.float32)
    expected = restorer.network.apply(restorer.variables, image[..., None], train=False)
    found = jax.jit(restorer)(image)
    np.testing.assert_allclose(found, np.clip(expected[..., 0], 0, 1), atol=1e-6)


def test_nothing_but_the_generator_is_read(workdir):
    expected = jax.tree.leaves(load(workdir).variables)
    for item in ("discriminator", "training"):
        shutil.rmtree(workdir / "checkpoints" / "2" / item)
    found = jax.tree.leaves(load(str(workdir)).variables)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(workdir, caplog):
    newest = workdir / "checkpoints" / "3"
    shutil.copytree(workdir / "checkpoints" / "2", newest)
    assert load(workdir).card["step"] == 3
    for path in pathlib.Path(newest / "generator").rglob("d/*"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert load(workdir).card["step"] == 2
    assert "checkpoint 3 cannot be read" in caplog.text
    assert "trying the one before" in caplog.text


def test_a_run_without_a_checkpoint(workdir):
    shutil.rmtree(workdir / "checkpoints")
    with pytest.raises(
        CheckpointError, match=r"run '.*': there is no folder checkpoin"
    ):
        load(workdir)


def test_another_network_than_the_configuration_says(workdir):
    path = workdir / "config.json"
    path.write_text(path.read_text().replace('"num_blocks": 1', '"num_blocks": 2'))
    with pytest.raises(CheckpointError, match=r"run '.*': another architecture: leaf"):
        load(workdir)


@pytest.mark.parametrize("name", ["nothing", "weights/sparse-view-ct", "."])
def test_what_is_no_folder_of_weights(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"expected one of '.*or the folder of a run"):
        load(name)


@pytest.mark.parametrize("name", ["", "s3://bucket/x", "gs://"])
def test_places_that_are_none(name):
    with pytest.raises(InputError, match=r"weights = '.*': expected"):
        load(name)

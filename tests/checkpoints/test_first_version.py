"""Checkpoints outlive versions: one of the first version restores, bit for bit.

The archive is a working folder of version 0.1.0 (Orbax 0.12.8, JAX 0.10.2), after two
steps of the generator:

    python -m sisr_jax.main --config=configs/ct_srgan.py:quicktest --workdir=DIR \
        --config.seed=7 --config.generator.width=2 --config.generator.norm=batch \
        --config.discriminator.width=1 --config.discriminator.norm=batch \
        --config.phases.generator=2 --config.phases.discriminator=0 \
        --config.phases.adversarial=0

That version recorded the numbers below.
"""

import pathlib
import tarfile
import zlib

import jax
import numpy as np
import pytest
from etils import epath

from sisr_jax.checkpoints.pretrained import load_weights
from sisr_jax.checkpoints.restore import CheckpointReader
from sisr_jax.config.kept import read_config
from sisr_jax.hosts.mesh import make_mesh, replicated
from sisr_jax.train.task import abstract_state, build_task

ARCHIVE = pathlib.Path(__file__).with_name("first_version.tar.xz")

# CRC-32 of the leaves, in their order.
GENERATOR, STATISTICS, AVERAGE = 0xBA73AB37, 0xF2F82EE6, 0xAA99EDA4
MOMENTS, DISCRIMINATOR = 0xBFB9C49E, 0x3E623F28


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first_version")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return epath.Path(folder)


@pytest.fixture(scope="module")
def target(workdir):
    task = build_task(read_config(workdir))
    return abstract_state(task, replicated(make_mesh(1)))


def _checksum(tree):
    content = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree))
    return zlib.crc32(content)


def test_a_state_of_the_first_version_restores(workdir, target):
    reader = CheckpointReader(workdir)
    assert reader.steps() == (2,)
    state = reader.restore_newest(target)
    reader.close()
    counters = (state.step, state.skipped, state.skipped_in_a_row)
    assert [int(counter) for counter in counters] == [2, 0, 0]
    assert jax.random.key_data(state.key).tolist() == [0, 7]
    kernel = state.generator.params["output"]["kernel"]
    assert kernel.ravel()[:2].tolist() == [8.79406143212691e-05, 0.0001289916253881529]
    adam = state.generator.opt_state[1]
    assert int(adam.count) == 2
    assert adam.nu["Conv_0"]["bias"].tolist() == [
        4.243729120282508e-13,
        2.2320968857958423e-12,
    ]
    assert _checksum(state.generator.params) == GENERATOR
    assert _checksum(state.generator.batch_stats) == STATISTICS
    assert _checksum(state.generator_ema) == AVERAGE
    assert _checksum((adam.mu, adam.nu)) == MOMENTS
    assert _checksum(state.discriminator.params) == DISCRIMINATOR


def test_weights_of_the_first_version_start_another_run(workdir, target):
    for name, checksum in ("generator", AVERAGE), ("discriminator", DISCRIMINATOR):
        weights = load_weights(workdir, name, getattr(target, name))
        assert _checksum(weights["params"]) == checksum

"""The dense head of the discriminator, split over the mesh, and moved to another."""

import jax
import numpy as np
import pytest
from etils import epath
from jax.sharding import PartitionSpec

from sisr_jax.checkpoints.pretrained import load_weights
from sisr_jax.errors import InputError
from sisr_jax.hosts.mesh import make_mesh, replicated, to_devices
from sisr_jax.run.prepare import first_state, open_checkpoints, prepare
from sisr_jax.train.steps import compile_step
from sisr_jax.train.task import abstract_state, build_task, fresh_state, state_sharding
from sisr_jax.types import Batch

MESHES = {"2x2": (4, 2), "4x1": (4, 1), "1x1": (1, 1), "1x4": (4, 4)}


@pytest.fixture
def config(load_config):
    return load_config("us_srgan", discriminator__head="dense", mesh__model=2)


def _mesh(name):
    count, model = MESHES[name]
    return make_mesh(count, model=model)


def _numbers(state):
    state = state.replace(key=jax.random.key_data(state.key))
    return [
        (jax.tree_util.keystr(path), np.asarray(leaf))
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    ]


def _restore(config, workdir, name):
    run = prepare(config, workdir)._replace(mesh=_mesh(name))
    checkpointer = open_checkpoints(run)
    try:
        return first_state(run, checkpointer)
    finally:
        checkpointer.close()


def test_only_the_head_and_its_moments_are_split(config):
    task, mesh = build_task(config), _mesh("2x2")
    state = abstract_state(task, state_sharding(task, mesh))
    split = {
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
        if leaf.sharding.spec != PartitionSpec()
    }
    assert len(split) == 3  # weights and the two moments of Adam
    assert all(path.endswith("['Dense_0']['kernel']") for path in split)
    assert all(path.startswith(".discriminator.") for path in split)
    assert state_sharding(task, _mesh("4x1")) == replicated(_mesh("4x1"))


@pytest.mark.slow
def test_checkpoint_moves_to_other_meshes(config, tmp_path):
    workdir = epath.Path(tmp_path)
    run = prepare(config, workdir)
    assert dict(run.mesh.shape) == {"data": 2, "model": 2}
    checkpointer = open_checkpoints(run)
    state, _ = first_state(run, checkpointer)
    head = state.discriminator.params["Dense_0"]["kernel"]
    half = (head.shape[0] // 2, head.shape[1])
    assert {shard.data.shape for shard in head.addressable_shards} == {half}
    checkpointer.save(state, validation_psnr=None)
    checkpointer.close()
    for name in ("4x1", "1x1", "1x4", "2x2"):
        restored, is_resumed = _restore(config, workdir, name)
        assert is_resumed
        head = restored.discriminator.params["Dense_0"]["kernel"]
        assert dict(head.sharding.mesh.shape) == dict(_mesh(name).shape)
        for (path, a), (_, b) in zip(_numbers(state), _numbers(restored), strict=True):
            assert np.array_equal(a, b), path
    # Of another run's weights, which may come from devices that are not here.
    weights = load_weights(workdir, "discriminator", state.discriminator)
    for a, b in zip(
        jax.tree.leaves(weights["params"]),
        jax.tree.leaves(state.discriminator.params),
        strict=True,
    ):
        assert isinstance(a, np.ndarray)
        assert np.array_equal(a, b)


@pytest.mark.slow
def test_a_split_head_trains_as_a_whole_one(config):
    task = build_task(config)
    rng = np.random.default_rng(0)
    batch = Batch(
        hr=rng.random((4, *config.data.shape, 1), np.float32),
        mask=np.ones(4, bool),
        index=np.arange(4, dtype=np.int32),
    )
    found = []
    for name in ("2x2", "4x1"):
        mesh = _mesh(name)
        state = fresh_state(task, state_sharding(task, mesh))
        with jax.set_mesh(mesh):
            step = compile_step(task, "adversarial", mesh)
            on_devices = jax.device_put(task, replicated(mesh))
            state, _ = step(on_devices, state, to_devices(batch, mesh))
        found.append(_numbers(state))
    for (path, a), (_, b) in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=path)


def test_impossible_sizes_are_named(config, load_config, tmp_path):
    with pytest.raises(
        InputError, match=r"mesh\.model = 3: expected a divisor of .* 4"
    ):
        make_mesh(model=3)
    with pytest.raises(InputError, match=r"mesh\.model = 2: .*head = 'dense'"):
        load_config("us_srgan", mesh__model=2)
    with pytest.raises(InputError, match=r"mesh\.model = 0: expected 1 to"):
        load_config("us_srgan", discriminator__head="dense", mesh__model=0)
    odd = load_config(
        "us_srgan",
        discriminator__head="dense",
        discriminator__width=1,
        discriminator__norm="none",
        data__patch=(16, 48),
        data__shape=(32, 48),
        mesh__model=4,
    )
    task = build_task(odd)
    mesh = jax.sharding.AbstractMesh((1, 5), ("data", "model"))
    with pytest.raises(InputError, match=r"mesh\.model = 5: .* inputs of the discrim"):
        state_sharding(task, mesh)

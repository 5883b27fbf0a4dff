"""What each step moves, that it learns, and that devices do not matter."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.parallel import make_mesh, replicated, to_devices
from sisr_jax.train.steps import STEPS, compile_step
from sisr_jax.train.task import build_task, fresh_state
from sisr_jax.types import Batch

CONFIGS = ("ct_srgan", "us_srgan")


def make_batch(config, seed=0):
    rng = np.random.default_rng(seed)
    height, width = config.data.shape
    rows, columns = np.mgrid[:height, :width] / height
    phase = rng.uniform(0, 6, (config.data.batch_size, 1, 1, 1))
    hr = 0.5 + 0.4 * np.sin(9 * rows + 14 * columns)[..., None] * np.cos(phase)
    return Batch(
        hr=hr.astype(np.float32),
        mask=np.ones(len(hr), bool),
        index=np.arange(len(hr), dtype=np.int32),
    )


@functools.cache
def _setup(load, name, changes=()):
    config = load(name, **dict(changes))
    task = build_task(config)
    return task, fresh_state(task, None)


def _same(a, b):
    return all(
        np.array_equal(x, y)
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("phase", list(STEPS))
def test_step_moves_what_it_must_and_nothing_else(load_config, name, phase):
    batch_norm = (("generator__norm", "batch"), ("discriminator__norm", "batch"))
    task, before = _setup(load_config, name, batch_norm)
    after, _ = jax.jit(functools.partial(STEPS[phase], task))(
        before, make_batch(task.config)
    )
    moves_generator = phase != "discriminator"
    moves_discriminator = phase != "generator"
    for field in ("params", "batch_stats", "opt_state"):
        generator = (getattr(before.generator, field), getattr(after.generator, field))
        discriminator = (
            getattr(before.discriminator, field),
            getattr(after.discriminator, field),
        )
        assert _same(*generator) != moves_generator, field
        assert _same(*discriminator) != moves_discriminator, field
    assert _same(before.generator_ema, after.generator_ema) != moves_generator
    assert jax.tree.structure(before) == jax.tree.structure(after)
    assert int(after.step) == 1
    assert jnp.array_equal(
        jax.random.key_data(before.key), jax.random.key_data(after.key)
    )


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    ("phase", "loss"),
    [
        ("generator", "loss/pixel"),
        ("discriminator", "loss/discriminator"),
        ("adversarial", "loss/pixel"),
    ],
)
def test_loss_falls_on_one_batch(load_config, name, phase, loss):
    changes = tuple(
        (f"optimizer__{network}__{key}", value)
        for network in ("generator", "discriminator")
        for key, value in (("schedule", "constant"), ("learning_rate", 2e-3))
    )
    task, state = _setup(load_config, name, changes)
    step = jax.jit(functools.partial(STEPS[phase], task))
    batch, history = make_batch(task.config), []
    for _ in range(20):
        state, metrics = step(state, batch)
        history.append(float(metrics[loss]))
    assert history[-1] < 0.9 * history[0], history


def test_adversarial_step_is_a_discriminator_step_before_a_generator_step(load_config):
    """The discriminator half equals `discriminator_step` without batch norm."""
    task, state = _setup(load_config, "ct_srgan")
    batch = make_batch(task.config)
    alone, _ = jax.jit(functools.partial(STEPS["discriminator"], task))(state, batch)
    joint, _ = jax.jit(functools.partial(STEPS["adversarial"], task))(state, batch)
    for a, b in zip(
        jax.tree.leaves(alone.discriminator.params),
        jax.tree.leaves(joint.discriminator.params),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_without_adversarial_weight_the_generator_follows_pixels_alone(load_config):
    task, state = _setup(load_config, "ct_srgan", (("loss__adversarial_weight", 0.0),))
    batch = make_batch(task.config)
    pixels, a = jax.jit(functools.partial(STEPS["generator"], task))(state, batch)
    joint, b = jax.jit(functools.partial(STEPS["adversarial"], task))(state, batch)
    np.testing.assert_allclose(
        a["grad_norm/generator"], b["grad_norm/generator"], rtol=1e-4
    )
    weighted_task, _ = _setup(
        load_config, "ct_srgan", (("loss__adversarial_weight", 1.0),)
    )
    _, c = jax.jit(functools.partial(STEPS["adversarial"], weighted_task))(state, batch)
    assert abs(c["grad_norm/generator"] - a["grad_norm/generator"]) > 1e-3
    assert _same(pixels.generator.batch_stats, joint.generator.batch_stats)


def test_average_follows_the_weights_with_a_growing_decay(load_config):
    task, state = _setup(load_config, "us_srgan")
    after, _ = jax.jit(functools.partial(STEPS["generator"], task))(
        state, make_batch(task.config)
    )
    decay = 2 / 11  # (1 + n) / (10 + n) at the first update
    expected = jax.tree.map(
        lambda old, new: decay * old + (1 - decay) * new,
        state.generator_ema,
        after.generator.params,
    )
    for a, b in zip(
        jax.tree.leaves(expected), jax.tree.leaves(after.generator_ema), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-7)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("phase", list(STEPS))
def test_devices_do_not_matter(load_config, name, phase):
    """Four devices compute what one does, and gather no batch or weights."""
    task, _ = _setup(load_config, name)
    results = []
    for count in (1, 4):
        mesh = make_mesh(count)
        with jax.set_mesh(mesh):
            state = fresh_state(task, replicated(mesh))
            step = compile_step(task, phase, mesh)
            batch = to_devices(make_batch(task.config), mesh)
            text = step.lower(state, batch).compile().as_text()
            assert "all-gather" not in text
            assert ("all-reduce" in text) == (count > 1)
            results.append(jax.device_get(step(state, batch)[1]))
    for metric, value in results[0].items():
        np.testing.assert_allclose(results[1][metric], value, rtol=2e-4, err_msg=metric)


def test_state_is_donated(load_config):
    task, _ = _setup(load_config, "ct_srgan")
    mesh = make_mesh(1)
    state = fresh_state(task, replicated(mesh))
    kernel = jax.tree.leaves(state.generator.params)[0]
    compile_step(task, "generator", mesh)(
        state, to_devices(make_batch(task.config), mesh)
    )
    assert kernel.is_deleted()


def test_example_randomness_follows_its_index_not_its_row(load_config):
    task, state = _setup(load_config, "ct_srgan")
    batch = make_batch(task.config)
    turned = Batch(*(leaf[::-1] for leaf in batch))
    pairs = jax.jit(task.training_pairs)
    there, back = pairs(state.key, batch), pairs(state.key, turned)
    np.testing.assert_allclose(there.hr, back.hr[::-1], atol=1e-6)
    np.testing.assert_allclose(there.degraded, back.degraded[::-1], atol=1e-5)
    moved = pairs(state.key, batch._replace(index=batch.index + 4))
    assert not np.allclose(there.hr, moved.hr)


@pytest.mark.parametrize("phase", list(STEPS))
def test_bfloat16_computes_close_to_float32_with_float32_weights(load_config, phase):
    values = {}
    for dtype in ("float32", "bfloat16"):
        task, state = _setup(load_config, "ct_srgan", (("compute_dtype", dtype),))
        state, metrics = jax.jit(functools.partial(STEPS[phase], task))(
            state, make_batch(task.config)
        )
        leaves = jax.tree.leaves((state.generator, state.discriminator))
        assert {leaf.dtype for leaf in leaves} <= {jnp.float32, jnp.int32}
        values[dtype] = {k: float(v) for k, v in metrics.items() if "loss" in k}
    for name, value in values["float32"].items():
        assert values["bfloat16"][name] == pytest.approx(value, rel=0.05), name
    assert values["bfloat16"] != values["float32"]

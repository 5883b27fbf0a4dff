"""Schedules at the points where their shape is decided, clipping, counters."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.config import Optimizer
from sisr_jax.train.optimizers import build_optimizer, build_schedule, update_count

BASE = Optimizer(
    learning_rate=0.5,
    schedule="constant",
    every_steps=10,
    decay_rate=0.1,
    final_fraction=0.2,
    warmup_steps=0,
    beta1=0.9,
    beta2=0.999,
    clip_norm=0.0,
)


@pytest.mark.parametrize(
    ("schedule", "points"),
    [
        ("constant", {0: 0.5, 99: 0.5}),
        ("cosine", {0: 0.5, 50: 0.3, 100: 0.1, 200: 0.1}),
        ("step", {0: 0.5, 9: 0.5, 10: 0.05, 20: 0.005}),
        ("cyclic", {0: 0.1, 5: 0.3, 10: 0.5, 15: 0.3, 20: 0.1, 30: 0.5}),
    ],
)
def test_schedule_shape(schedule, points):
    rate = build_schedule(dataclasses.replace(BASE, schedule=schedule), 100)
    for count, value in points.items():
        assert float(rate(count)) == pytest.approx(value, rel=1e-5), count


def test_warmup_comes_before_the_schedule():
    config = dataclasses.replace(BASE, schedule="cosine", warmup_steps=4)
    rate = build_schedule(config, 104)
    found = [float(rate(count)) for count in (0, 2, 4, 54, 104)]
    np.testing.assert_allclose(found, [0.0, 0.25, 0.5, 0.3, 0.1], rtol=1e-5)


def test_clipping_bounds_the_norm_before_adam():
    """Adam forgets a common scale, so two gradients in turn show the clipping."""
    weights = {"w": jnp.zeros(2)}
    found = {}
    for clip_norm in (0.0, 1.0):
        optimizer = build_optimizer(dataclasses.replace(BASE, clip_norm=clip_norm), 10)
        state = optimizer.init(weights)
        for scale in (1.0, 1000.0):
            updates, state = optimizer.update(
                {"w": jnp.array([scale, 0.0])}, state, weights
            )
        found[clip_norm] = float(updates["w"][0])
    assert found[1.0] == pytest.approx(-0.5, rel=1e-4)
    assert found[0.0] != pytest.approx(-0.5, rel=1e-2)


def test_clipping_keeps_the_direction():
    """A gradient is scaled as a whole: Adam after (.3, .4) and (.6, .8)."""
    optimizer = build_optimizer(dataclasses.replace(BASE, clip_norm=1.0), 10)
    weights = {"w": jnp.zeros(2)}
    state = optimizer.init(weights)
    mean, square = np.zeros(2), np.zeros(2)
    for given, used in (([0.3, 0.4], [0.3, 0.4]), ([300.0, 400.0], [0.6, 0.8])):
        updates, state = optimizer.update({"w": jnp.array(given)}, state, weights)
        mean = 0.9 * mean + 0.1 * np.array(used)
        square = 0.999 * square + 0.001 * np.array(used) ** 2
    expected = -0.5 * (mean / (1 - 0.9**2)) / np.sqrt(square / (1 - 0.999**2))
    np.testing.assert_allclose(updates["w"], expected, rtol=1e-4)


def test_learning_rate_is_the_one_the_next_update_uses():
    optimizer = build_optimizer(dataclasses.replace(BASE, schedule="cyclic"), 100)
    weights = {"w": jnp.zeros(1)}
    state = optimizer.init(weights)
    for count in range(3):
        assert int(update_count(state)) == count
        rate = float(optimizer.learning_rate(state))
        updates, state = optimizer.update({"w": jnp.ones(1)}, state, weights)
        assert float(updates["w"][0]) == pytest.approx(-rate, rel=1e-3)

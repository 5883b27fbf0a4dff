"""A generator's estimate, and the weights that it is made with."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from sisr_jax.train.state import TrainState
from sisr_jax.train.task import Task
from sisr_jax.types import Example, Image


class Weights(NamedTuple):
    """What a generator needs to run."""

    params: Any
    batch_stats: Any


def averaged_weights(state: TrainState) -> Weights:
    """The weights that are evaluated: the generator's moving average."""
    return Weights(state.generator_ema, state.generator.batch_stats)


def super_resolve(task: Task, weights: Weights, example: Example) -> Image:
    """The generator's estimate, clipped to the display range [0, 1]."""
    variables = {"params": weights.params, "batch_stats": weights.batch_stats}
    sr = task.generator.apply(variables, *example.inputs, train=False)
    return jnp.clip(sr, 0.0, 1.0)

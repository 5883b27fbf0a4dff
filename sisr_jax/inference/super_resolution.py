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
    """The weights that are evaluated: the generator's moving average.

    Examples:
        >>> import jax
        >>> from sisr_jax.config import files, parse
        >>> from sisr_jax.inference import averaged_weights
        >>> from sisr_jax.train.task import build_task, create_state
        >>> task = build_task(parse(files.load("us_srgan:quicktest").to_dict()))
        >>> state = jax.eval_shape(create_state, task)
        >>> averaged_weights(state).params is state.generator_ema
        True
    """
    return Weights(state.generator_ema, state.generator.batch_stats)


def super_resolve(task: Task, weights: Weights, example: Example) -> Image:
    """The generator's estimate, clipped to the display range [0, 1].

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from sisr_jax.config import files, parse
        >>> from sisr_jax.inference import averaged_weights, super_resolve
        >>> from sisr_jax.train.task import build_task, create_state
        >>> from sisr_jax.types import Batch
        >>> task = build_task(parse(files.load("us_srgan:quicktest").to_dict()))
        >>> batch = Batch(jnp.zeros((1, 32, 32, 1)), jnp.ones(1, bool), jnp.arange(1))
        >>> example = task.evaluation_example(jax.random.key(0), batch)
        >>> weights = averaged_weights(jax.eval_shape(create_state, task))
        >>> sr = jax.eval_shape(super_resolve, task, weights, example)
        >>> example.estimate.shape, sr.shape
        ((1, 32, 8, 1), (1, 32, 32, 1))
    """
    variables = {"params": weights.params, "batch_stats": weights.batch_stats}
    sr = task.generator.apply(variables, *example.inputs, train=False)
    return jnp.clip(sr, 0.0, 1.0)

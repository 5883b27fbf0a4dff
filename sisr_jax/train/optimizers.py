"""Adam with clipping, and learning-rate schedules over a network's own updates."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from sisr_jax.config import Optimizer

Schedule = Callable[[Any], Any]


class ScheduledOptimizer(NamedTuple):
    """An `optax` transformation and the rate it will use next."""

    init: Callable[[Any], Any]
    update: Callable[..., Any]
    learning_rate: Callable[[Any], jax.Array]


def build_optimizer(config: Optimizer, num_updates: int) -> ScheduledOptimizer:
    """The optimiser of one network.

    Args:
        config: Its section of the configuration.
        num_updates: Updates the network gets over the whole run.
    """
    schedule = build_schedule(config, num_updates)
    clip = (
        optax.clip_by_global_norm(config.clip_norm)
        if config.clip_norm > 0
        else optax.identity()
    )
    transformation = optax.chain(
        clip,
        optax.scale_by_adam(b1=config.beta1, b2=config.beta2),
        optax.scale_by_learning_rate(schedule),
    )

    def learning_rate(opt_state: Any) -> jax.Array:
        return jnp.asarray(schedule(update_count(opt_state)), jnp.float32)

    return ScheduledOptimizer(transformation.init, transformation.update, learning_rate)


def update_count(opt_state: Any) -> jax.Array:
    """Updates done so far, read from the schedule's counter."""
    return opt_state[-1].count


def build_schedule(config: Optimizer, num_updates: int) -> Schedule:
    """Learning rate as a function of the update count.

    The shapes are described in `config.Optimizer`. The cyclic one is the
    triangular policy of Smith (2017), Cyclical Learning Rates, figure 2.
    """
    peak, decay_steps = config.learning_rate, num_updates - config.warmup_steps
    shapes: dict[str, Callable[[], Schedule]] = {
        "constant": lambda: optax.constant_schedule(peak),
        "cosine": lambda: optax.cosine_decay_schedule(
            peak, max(decay_steps, 1), config.final_fraction
        ),
        "step": lambda: optax.exponential_decay(
            peak, config.every_steps, config.decay_rate, staircase=True
        ),
        "cyclic": lambda: _triangle(peak, config.final_fraction, config.every_steps),
    }
    shape = shapes[config.schedule]()
    if config.warmup_steps == 0:
        return shape
    ramp = optax.linear_schedule(0.0, peak, config.warmup_steps)
    return optax.join_schedules([ramp, shape], [config.warmup_steps])


def _triangle(peak: float, low_fraction: float, half_period: int) -> Schedule:
    def schedule(count: Any) -> jax.Array:
        position = jnp.asarray(count) % (2 * half_period)
        rise = 1.0 - jnp.abs(position - half_period) / half_period
        return peak * (low_fraction + (1.0 - low_fraction) * rise)

    return schedule

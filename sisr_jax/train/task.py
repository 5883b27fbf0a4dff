"""What a run is made of besides its state, built from a configuration."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from sisr_jax.config import Config
from sisr_jax.degradation import PairMaker, evaluation_pairs, training_pairs
from sisr_jax.models import build_discriminator, build_generator
from sisr_jax.random import Stream, stream
from sisr_jax.train import phases
from sisr_jax.train.optimizers import Optimizer, build_optimizer
from sisr_jax.train.state import TrainState, initial_network, initial_state
from sisr_jax.types import Batch, Image, Pair


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """Modules, optimisers and pair makers of one run; holds no arrays."""

    config: Config
    generator: Any
    discriminator: Any
    generator_optimizer: Optimizer
    discriminator_optimizer: Optimizer
    training_pairs: PairMaker
    evaluation_pairs: PairMaker


def build_task(config: Config) -> Task:
    """Builds everything a configuration names, without allocating arrays."""
    return Task(
        config=config,
        generator=build_generator(config),
        discriminator=build_discriminator(config),
        generator_optimizer=build_optimizer(
            config.optimizer.generator, phases.generator_updates(config.phases)
        ),
        discriminator_optimizer=build_optimizer(
            config.optimizer.discriminator, phases.discriminator_updates(config.phases)
        ),
        training_pairs=training_pairs(config),
        evaluation_pairs=evaluation_pairs(config),
    )


def create_state(task: Task) -> TrainState:
    """The state before the first step, a function of the config's seed alone."""
    key = jax.random.key(task.config.seed)
    pair = _pair_shapes(task)
    generator = initial_network(
        task.generator,
        task.generator_optimizer,
        stream(key, Stream.INIT_GENERATOR),
        pair.degraded.shape,
    )
    discriminator = initial_network(
        task.discriminator,
        task.discriminator_optimizer,
        stream(key, Stream.INIT_DISCRIMINATOR),
        pair.hr.shape,
    )
    return initial_state(key, generator, discriminator)


def fresh_state(task: Task, sharding: Any) -> TrainState:
    """Allocates the state before the first step on a sharding."""
    # Runs once: optimising its many small random-number kernels would take XLA:CPU
    # ten times longer than running them as they are.
    options = {"xla_backend_optimization_level": 0}
    return jax.jit(
        lambda: create_state(task),
        out_shardings=sharding,
        compiler_options=options if jax.default_backend() == "cpu" else None,
    )()


def abstract_state(task: Task, sharding: Any) -> TrainState:
    """Shapes and dtypes of the state, on a sharding, without allocating it."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        jax.eval_shape(lambda: create_state(task)),
    )


def super_resolve(task: Task, params: Any, batch_stats: Any, degraded: Image) -> Image:
    """The generator's estimate, clipped to the display range [0, 1]."""
    variables = {"params": params, "batch_stats": batch_stats}
    sr = task.generator.apply(variables, degraded, train=False)
    return jnp.clip(sr, 0.0, 1.0)


def _pair_shapes(task: Task) -> Pair:
    batch = Batch(
        hr=jax.ShapeDtypeStruct((1, *task.config.data.shape, 1), jnp.float32),
        mask=jax.ShapeDtypeStruct((1,), jnp.bool_),
        index=jax.ShapeDtypeStruct((1,), jnp.int32),
    )
    return jax.eval_shape(task.training_pairs, jax.random.key(0), batch)

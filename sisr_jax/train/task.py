"""What a run is made of besides its state, built from a configuration."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, Sharding

from sisr_jax.config import Config
from sisr_jax.degradation import (
    Degradation,
    PairMaker,
    build,
    evaluation_pairs,
    training_pairs,
)
from sisr_jax.errors import InputError
from sisr_jax.hosts.mesh import model_sharding, replicated
from sisr_jax.models import build_discriminator, build_generator
from sisr_jax.models.discriminator import HEAD_WEIGHTS
from sisr_jax.random import Stream, stream
from sisr_jax.train import phases
from sisr_jax.train.optimizers import Optimizer, build_optimizer
from sisr_jax.train.state import TrainState, initial_network, initial_state
from sisr_jax.types import Batch, Image, Pair


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """Modules, optimisers, degradation and pair makers of one run.

    Its only arrays are those of the degradation (the matrices of a CT beam), which
    compiled programs take as an argument: see `compiled`.
    """

    config: Config
    generator: Any
    discriminator: Any
    generator_optimizer: Optimizer
    discriminator_optimizer: Optimizer
    degrade: Degradation
    training_pairs: PairMaker
    evaluation_pairs: PairMaker


def build_task(config: Config) -> Task:
    """Builds everything a configuration names, but no state."""
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
        degrade=build(config),
        training_pairs=training_pairs(config),
        evaluation_pairs=evaluation_pairs(config),
    )


def compiled(
    task: Task,
    function: Callable[..., Any],
    mesh: Mesh,
    *,
    in_shardings: tuple[Any, ...],
    out_shardings: Any,
    donate: tuple[int, ...] = (),
) -> Callable[..., Any]:
    """Jits `function(task, ...)` with the arrays of the task as inputs.

    Closed over, they would be copied into every program, hundreds of megabytes each.

    Args:
        task: Bound to the first argument; its arrays are put on every device. Where it
            has shapes in their place, the result can be lowered but not called.
        function: What to compile.
        mesh: Devices.
        in_shardings: Of the remaining arguments.
        out_shardings: Of the results.
        donate: Which of the remaining arguments may be overwritten.

    Returns:
        A function of the remaining arguments; the jitted function of the degradation
        and them is its attribute `func`.
    """
    whole = replicated(mesh)
    jitted = jax.jit(
        lambda degrade, *arguments: function(
            dataclasses.replace(task, degrade=degrade), *arguments
        ),
        in_shardings=(whole, *in_shardings),
        out_shardings=out_shardings,
        donate_argnums=tuple(1 + index for index in donate),
    )
    degrade = jax.tree.map(
        lambda leaf: (
            leaf
            if isinstance(leaf, jax.ShapeDtypeStruct)
            else jax.device_put(leaf, whole)
        ),
        task.degrade,
    )
    return functools.partial(jitted, degrade)


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
    """Shapes and dtypes of the state, without allocating it.

    Args:
        task: The run's task.
        sharding: One for all leaves, or a tree of them; see `state_sharding`.
    """
    state = jax.eval_shape(lambda: create_state(task))
    if isinstance(sharding, Sharding):
        sharding = jax.tree.map(lambda _: sharding, state)
    return jax.tree.map(
        lambda leaf, where: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=where
        ),
        state,
        sharding,
    )


def state_sharding(task: Task, mesh: Mesh) -> Any:
    """Where the state lies: whole on every device, but for a dense head.

    Its weights, and what the optimiser keeps for each of them, are split by input
    feature along the axis `model`, if that has more than one device.

    Returns:
        One sharding for all leaves, or a tree of them.

    Raises:
        InputError: If the weights cannot be split evenly.
    """
    whole, count = replicated(mesh), mesh.shape["model"]
    if count == 1:
        return whole

    def place(path: tuple[Any, ...], leaf: Any) -> Sharding:
        if tuple(getattr(key, "key", None) for key in path[-2:]) != HEAD_WEIGHTS:
            return whole
        if leaf.shape[0] % count:
            raise InputError(
                f"config.mesh.model = {count}: expected a divisor of the "
                f"{leaf.shape[0]} inputs of the discriminator's dense head"
            )
        return model_sharding(mesh)

    return jax.tree_util.tree_map_with_path(
        place, jax.eval_shape(lambda: create_state(task))
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
    return jax.eval_shape(task.training_pairs, task.degrade, jax.random.key(0), batch)

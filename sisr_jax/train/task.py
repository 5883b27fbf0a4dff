"""What a run is made of besides its state, built from a configuration."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, Sharding

from sisr_jax.config import Config
from sisr_jax.degradation import Degradation, modality_of
from sisr_jax.errors import InputError
from sisr_jax.hosts.mesh import model_sharding, replicated
from sisr_jax.models import build_discriminator, build_generator
from sisr_jax.models.discriminator import HEAD_WEIGHTS
from sisr_jax.random import Stream, stream
from sisr_jax.train import phases
from sisr_jax.train.examples import evaluation_example, training_example
from sisr_jax.train.optimizers import ScheduledOptimizer, build_optimizer
from sisr_jax.train.state import TrainState, initial_network, initial_state
from sisr_jax.types import Batch, Example, Key


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A configuration and its degradation; all else follows from them.

    A pytree of the arrays of the degradation (the matrices of a CT beam): an argument
    of every step, so that they are inputs of the compiled program.
    """

    config: Config = dataclasses.field(metadata={"static": True})
    degradation: Degradation

    @functools.cached_property
    def generator(self) -> Any:
        """The generator, a Linen module."""
        return build_generator(self.config)

    @functools.cached_property
    def discriminator(self) -> Any:
        """The discriminator, a Linen module."""
        return build_discriminator(self.config)

    @functools.cached_property
    def generator_optimizer(self) -> ScheduledOptimizer:
        """The generator's optimiser."""
        return self._optimizer("generator")

    @functools.cached_property
    def discriminator_optimizer(self) -> ScheduledOptimizer:
        """The discriminator's optimiser."""
        return self._optimizer("discriminator")

    def _optimizer(self, network: str) -> ScheduledOptimizer:
        return build_optimizer(
            getattr(self.config.optimizer, network),
            phases.num_updates(self.config.phases, network),
        )

    def training_example(self, key: Key, batch: Batch) -> Example:
        """See `examples.training_example`."""
        return training_example(self.config, self.degradation, key, batch)

    def evaluation_example(self, key: Key, batch: Batch) -> Example:
        """See `examples.evaluation_example`."""
        return evaluation_example(self.degradation, key, batch)


def build_task(config: Config) -> Task:
    """Builds everything a configuration names, but no state."""
    return Task(config, modality_of(config).degrade(config))


def create_state(task: Task) -> TrainState:
    """The state before the first step, a function of the config's seed alone."""
    key = jax.random.key(task.config.seed)
    example = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), _example_shapes(task)
    )
    generator = initial_network(
        task.generator,
        task.generator_optimizer,
        stream(key, Stream.INIT_GENERATOR),
        example.inputs,
    )
    discriminator = initial_network(
        task.discriminator,
        task.discriminator_optimizer,
        stream(key, Stream.INIT_DISCRIMINATOR),
        (example.hr,),
    )
    return initial_state(key, generator, discriminator)


def fresh_state(task: Task, sharding: Any) -> TrainState:
    """Allocates the state before the first step on a sharding."""
    # Runs once: optimising its many small random-number kernels would take XLA:CPU
    # ten times longer than running them as they are.
    options = {"xla_backend_optimization_level": 0}
    return jax.jit(
        create_state,
        out_shardings=sharding,
        compiler_options=options if jax.default_backend() == "cpu" else None,
    )(task)


def abstract_state(task: Task, sharding: Any) -> TrainState:
    """Shapes and dtypes of the state, without allocating it.

    Args:
        task: The run's task.
        sharding: One for all leaves, or a tree of them; see `state_sharding`.
    """
    state = jax.eval_shape(create_state, task)
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

    return jax.tree_util.tree_map_with_path(place, jax.eval_shape(create_state, task))


def _example_shapes(task: Task) -> Example:
    batch = Batch(
        hr=jax.ShapeDtypeStruct((1, *task.config.data.shape, 1), jnp.float32),
        mask=jax.ShapeDtypeStruct((1,), jnp.bool_),
        index=jax.ShapeDtypeStruct((1,), jnp.int32),
    )
    return jax.eval_shape(task.training_example, jax.random.key(0), batch)

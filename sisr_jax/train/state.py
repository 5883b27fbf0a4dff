"""The training state: arrays only, one shape for every phase."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from sisr_jax.types import Key


class NetworkState(struct.PyTreeNode):
    """One network and its optimiser.

    Attributes:
        params: Weights, float32.
        batch_stats: Running statistics of batch normalisation, else empty.
        opt_state: State of the optimiser; counts this network's own updates.
    """

    params: Any
    batch_stats: Any
    opt_state: Any


class TrainState(struct.PyTreeNode):
    """All that a run is, between two steps.

    Attributes:
        step: int32, steps done, over all phases.
        key: Typed root key of the run, never replaced.
        generator: The generator.
        discriminator: The discriminator, there from step 0 on, so that one
            checkpoint shape serves every phase.
        generator_ema: Moving average of the generator's weights.
        skipped: int32, steps that moved nothing, see `train.safety`.
        skipped_in_a_row: int32, of those, the ones since the last that moved.
    """

    step: Any
    key: Any
    generator: NetworkState
    discriminator: NetworkState
    generator_ema: Any
    skipped: Any
    skipped_in_a_row: Any


def initial_network(
    module: nn.Module, optimizer: Any, key: Key, inputs: tuple[Any, ...]
) -> NetworkState:
    """Fresh weights, statistics and optimiser state.

    Args:
        module: Network called as `module(*inputs, train=...)`.
        optimizer: Its `optax` transformation.
        key: Key of its initialisers.
        inputs: A batch of the kind that it will see; its values do not matter.
    """
    variables = module.init(key, *inputs, train=False)
    params = variables["params"]
    return NetworkState(
        params=params,
        batch_stats=variables.get("batch_stats", {}),
        opt_state=optimizer.init(params),
    )


def initial_state(
    key: Key, generator: NetworkState, discriminator: NetworkState
) -> TrainState:
    """The state before the first step; the average starts at the weights."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        key=key,
        generator=generator,
        discriminator=discriminator,
        # A copy: donated arguments must not share a buffer.
        generator_ema=jax.tree.map(jnp.copy, generator.params),
        skipped=jnp.zeros((), jnp.int32),
        skipped_in_a_row=jnp.zeros((), jnp.int32),
    )

"""What a configuration says of a network without its weights."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sisr_jax.config import Config
from sisr_jax.degradation import Degradation, modality_of
from sisr_jax.inference.restorer import FirstEstimate, Received
from sisr_jax.models import build_generator
from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.starts import linear_estimate
from sisr_jax.train.examples import evaluation_example
from sisr_jax.types import Batch, Measurement

# Neither parameters nor first estimates depend on the size of the configuration, and
# the rays of small images are planned at once.
_SIDE = 64


def variable_shapes(config: Config) -> dict[str, Any]:
    """Shapes of the generator's variables, without computing any.

    Returns:
        `params`, and `batch_stats` if it has running averages, nested by module.
    """
    network, degradation = build_generator(config), _degradation(config)
    side = _side(config)

    def initial(key: jax.Array) -> Any:
        batch = Batch(jnp.zeros((1, side, side, 1)), jnp.ones(1, bool), jnp.arange(1))
        example = evaluation_example(degradation, key, batch)
        return network.init(key, *example.inputs, train=False)

    return dict(jax.eval_shape(initial, jax.random.key(0)))


def first_estimate(config: Config) -> FirstEstimate:
    """How a network of this configuration is given its first image.

    One that looks at it gets what it was trained with: for CT, the filter and the
    weights of `config.degradation`. For all others any operator will do.
    """
    if "estimate" not in config.generator.sees:
        return linear_estimate
    degradation = _degradation(config)

    def estimate(y: Float[Array, "..."], operator: LinearOperator) -> Any:
        return degradation.estimate(Measurement(y, operator))[..., 0]

    return estimate


def received(config: Config) -> Received | None:
    """How a network of this configuration is given what somebody measured.

    None where images explain all of it; see `Degradation.received`.
    """
    if not config.degradation.side_information:
        return None
    return _degradation(config).received


def _degradation(config: Config) -> Degradation:
    data = dataclasses.replace(config.data, shape=(_side(config), _side(config)))
    return modality_of(config).degrade(dataclasses.replace(config, data=data))


def _side(config: Config) -> int:
    """A small size that suits network and degradation."""
    unit = math.lcm(config.generator.multiple, config.degradation.width_factor)
    return -(-_SIDE // unit) * unit

"""How well an image explains what was measured of it."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def residual(
    projected: Float[Array | np.ndarray, "*shape"],
    measured: Float[Array | np.ndarray, "*shape"],
) -> Float[Array, " batch"]:
    """How far an estimate is from what was measured: `||A x - y|| / ||y||`.

    Args:
        projected: The estimate sent through the acquisition, `[batch, ...]`.
        measured: What was measured, same shape.

    Returns:
        `[batch]`; 0 for an estimate that explains the measurement entirely.
    """
    axes = tuple(range(1, measured.ndim))
    error = jnp.sum(jnp.square(projected - measured), axis=axes)
    return jnp.sqrt(error / jnp.sum(jnp.square(measured), axis=axes))

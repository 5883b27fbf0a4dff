"""Images that a network starts from: two total variations, and back-projection."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.total_variation import total_variation

# The weight that is best for 63, 125 and 250 views of 512 x 512 pixels (1e-4, 5e-5,
# 2e-5, see `experiments/baselines`) is about this power of pixels over measurements.
_SCALE, _POWER = 1.34e-5, 1.15
# The large weight wipes out the noise of a slice with its streaks, the small one keeps
# both. A third of the iterations that converge, the rest is left to the network.
_LARGE, _SMALL = 5.0, 1.0
_ITERATIONS, _MORE_ITERATIONS, _INNER = 36, 8, 3


def linear_estimate(
    y: Float[Array, "..."], A: LinearOperator
) -> Float[Array, "*batch height width"]:
    """Filtered back-projection where the operator has an `fbp`, else `A^T P y`.

    Args:
        y: Measurements, `[*batch, *range_shape]`.
        A: The operator.
    """
    fbp = getattr(A, "fbp", None)
    return A.T(A.precondition(y)) if fbp is None else fbp(y)


def starts(
    y: Float[Array, "..."], A: LinearOperator
) -> Float[Array, "*batch height width 3"]:
    """Reconstructs by total variation with a small and a large weight, and linearly.

    Args:
        y: Measurements, `[*batch, *range_shape]`.
        A: The operator; its domain are images, and values lie in [0, 1].

    Returns:
        Three channels: small weight, large weight, and `linear_estimate`.

    Raises:
        ValueError: If a shape does not fit, or the domain are no images.
    """
    y = jnp.asarray(y)
    linear = linear_estimate(y, A)
    measured = math.prod(y.shape[linear.ndim - 2 :]) * A.measured_share
    weight = _SCALE * (math.prod(linear.shape[-2:]) / measured) ** _POWER
    large = total_variation(
        y,
        A,
        weight=_LARGE * weight,
        num_iterations=_ITERATIONS,
        num_inner=_INNER,
        continuation=8.0,
    )
    small = total_variation(
        y,
        A,
        weight=_SMALL * weight,
        num_iterations=_MORE_ITERATIONS,
        num_inner=_INNER,
        start=large,
        continuation=1.0,
    )
    return jnp.stack([small, large, linear], -1)

"""Brings an image into agreement with what was measured."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.least_squares import (
    Bounds,
    as_alike,
    check_bounds,
    check_measurement,
    check_steps,
    descent,
    into_box,
    next_momentum,
    prepared,
)


def data_consistency(
    x: Float[Array, "..."],
    y: Float[Array, "..."],
    A: LinearOperator,
    *,
    num_steps: int,
    bounds: Bounds = (0.0, 1.0),
) -> Float[Array, "..."]:
    """Descends from an image towards the images that explain the measurement.

    Minimises `(A x - y)^T P (A x - y) / 2` over the box, `P` the operator's
    `precondition`, by FISTA (Beck & Teboulle, SIAM J. Imaging Sciences 2009) with steps
    of length 1. Nothing else is asked of the image: what the measurement does not tell
    stays as it is in `x`, but for the box.

    Differentiable in `x` and `y`. Reverse mode keeps two images for each step and
    computes the projections again, so that a step adds nothing else to the memory.

    Args:
        x: Images to start from, `[*batch, *domain_shape]`.
        y: Their measurements, `[*batch, *range_shape]`.
        A: The operator.
        num_steps: Steps, each with one `A`, `P` and `A^T`.
        bounds: Least and greatest value; None: any.

    Returns:
        Images of the shape of `x`, within the bounds; float64 if one of both is.

    Raises:
        ValueError: If a shape does not fit, the bounds are no interval or there is no
            step.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.reconstruction.data_consistency import data_consistency
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> A, y = LateralDecimation(factor=2), np.ones((1, 2), np.float32)
        >>> print(data_consistency(np.full((1, 4), 0.5, np.float32), y, A, num_steps=8))
        [[1.  0.5 1.  0.5]]
    """
    x, y = as_alike(x, y)
    num_steps = check_steps(num_steps)
    check_bounds(bounds)
    check_measurement(x, y, A)
    A = prepared(A)

    @jax.checkpoint
    def step(
        state: tuple[Array, Array, Array], _: None
    ) -> tuple[tuple[Array, Array, Array], None]:
        image, ahead, momentum = state
        new = into_box(ahead + descent(ahead, y, A), bounds)
        following = next_momentum(momentum)
        ahead = new + (momentum - 1) / following * (new - image)
        return (new, ahead, following), None

    start = into_box(x, bounds)
    state = start, start, jnp.ones((), x.dtype)
    return lax.scan(step, state, length=num_steps)[0][0]

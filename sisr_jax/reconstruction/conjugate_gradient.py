"""Least squares by conjugate gradients, optionally damped."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sisr_jax.operators import LinearOperator
from sisr_jax.reals import as_real
from sisr_jax.reconstruction.least_squares import (
    as_alike,
    check_measurement,
    check_steps,
    prepared,
)

_State = tuple[Array, Array, Array, Array]  # change, residual, descent, direction


def conjugate_gradient(
    y: Float[Array, "..."],
    A: LinearOperator,
    *,
    num_steps: int,
    damping: float | Float[Array, ""] = 0.0,
    x: Float[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Minimises `(A z - y)^T P (A z - y) / 2 + damping * ||z - x||^2 / 2` over `z`.

    `P` is the operator's `precondition`; where that is a number, this is plain least
    squares. `||A^T P A||` is 1 at most, which gives the damping its unit. Without
    damping, the images that explain `y` best, of them the one nearest to `x`; with it,
    the proximal map of the data term, the block of an unrolled network (Aggarwal et
    al., "MoDL", IEEE TMI 2019).

    Conjugate gradients for the normal equations in the form that keeps the residual of
    the measurement (Björck, "Numerical Methods for Least Squares Problems", 1996,
    algorithm 7.4.1), for each example of a batch on its own. Differentiable in `y`,
    `damping` and `x`; reverse mode keeps three images and a measurement for each step
    and computes the projections again.

    Args:
        y: Measurements, `[*batch, *range_shape]`.
        A: The operator.
        num_steps: Steps, each with one `A`, `P` and `A^T`.
        damping: At least 0.
        x: Images to start from and to stay near, `[*batch, *domain_shape]`; default: 0.

    Returns:
        Images, `[*batch, *domain_shape]`; float64 if `y` or `x` is.

    Raises:
        ValueError: If a shape does not fit, there is no step or the damping is
            negative.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.reconstruction.conjugate_gradient import conjugate_gradient
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> A, y = LateralDecimation(factor=2), np.ones((1, 2), np.float32)
        >>> print(conjugate_gradient(y, A, num_steps=3))
        [[1. 0. 1. 0.]]
        >>> near = np.full((1, 4), 0.5, np.float32)
        >>> print(conjugate_gradient(y, A, num_steps=3, x=near))
        [[1.  0.5 1.  0.5]]
    """
    y = as_real(y, "y")
    num_steps = check_steps(num_steps)
    if isinstance(damping, int | float) and damping < 0:
        raise ValueError(f"damping = {damping}: expected at least 0")
    A = prepared(A)
    start, y = as_alike(jnp.zeros_like(A.T(y)) if x is None else x, y)
    damping = jnp.asarray(damping, start.dtype)
    check_measurement(start, y, A)
    image_axes = tuple(range(-len(A.domain_shape), 0))
    ray_axes = tuple(range(-len(A.range_shape), 0))

    @jax.checkpoint
    def step(state: _State, _: None) -> tuple[_State, None]:
        change, weighted, descent, direction = state
        rays = A(direction)
        weighted_rays = A.precondition(rays)
        curvature = jnp.sum(rays * weighted_rays, ray_axes)
        curvature += damping * jnp.sum(direction**2, image_axes)
        # Equal to the square of `descent`, until it is nothing but rounding: with that,
        # an example that has arrived would leave again.
        rate = _ratio(jnp.sum(descent * direction, image_axes), curvature)
        change += _over(rate, image_axes) * direction
        weighted -= _over(rate, ray_axes) * weighted_rays
        square = jnp.sum(descent**2, image_axes)
        descent = A.T(weighted) - damping * change
        turn = _ratio(jnp.sum(descent**2, image_axes), square)
        direction = descent + _over(turn, image_axes) * direction
        return (change, weighted, descent, direction), None

    weighted = A.precondition(y - A(start))
    descent = A.T(weighted)
    state = jnp.zeros_like(start), weighted, descent, descent
    return start + lax.scan(step, state, length=num_steps)[0][0]


def _ratio(dividend: Array, divisor: Array) -> Array:
    """The quotient; 0 where an example has arrived, and no NaN in its gradient."""
    moving = divisor > 0
    return jnp.where(moving, dividend / jnp.where(moving, divisor, 1), 0)


def _over(values: Array, axes: tuple[int, ...]) -> Array:
    return jnp.expand_dims(values, axes)

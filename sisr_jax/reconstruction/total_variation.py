"""Total-variation reconstruction: the classical method that a network has to beat."""

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from sisr_jax.operators import LinearOperator
from sisr_jax.reals import as_real
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

# Two planes: stacked in one array they would be copied at every step.
_Field = tuple[Array, Array]  # along the rows, along the columns
_Outer = tuple[Array, Array, _Field, Array]  # image, ahead, dual, momentum
_Inner = tuple[_Field, _Field, Array]  # dual, ahead, momentum

# The weight falls to its value over this part of the iterations: see `total_variation`.
_FALLING = 0.75


def total_variation(
    y: Float[Array, "..."],
    A: LinearOperator,
    *,
    weight: float | Float[Array, "*batch"],
    num_iterations: int = 100,
    num_inner: int = 5,
    bounds: Bounds = (0.0, 1.0),
    start: Float[Array, "..."] | None = None,
    continuation: float = 50.0,
) -> Float[Array, "*batch height width"]:
    """Minimises `(A x - y)^T P (A x - y) / 2 + weight * TV(x)` over the box.

    `P` is the operator's `precondition`; TV is the sum over pixels of the length of the
    forward-difference gradient (isotropic). FISTA (Beck & Teboulle, SIAM J. Imaging
    Sciences 2009) on the data term; the proximal step of TV over the box by fast
    gradient projection on its dual (the same authors, IEEE TIP 2009, algorithm FGP),
    started from the dual of the step before.

    What the measurement does not tell moves by a multiple of the weight in each step,
    and small weights are the good ones. Hence the weight starts `continuation` times as
    large and falls to its value, geometrically, over the first three quarters of the
    iterations (continuation, Hale, Yin & Zhang, SIAM J. Optimization 2008): a third of
    the iterations for the same image. Their number is fixed, so the result depends on
    nothing but the measurement and the first image. Few iterations do better with a
    larger weight that does not fall.

    Args:
        y: Measurements, `[*batch, *range_shape]`.
        A: The operator; its domain are images.
        weight: Of the total variation, at least 0; one, or one for each image.
        num_iterations: Steps with one `A`, `P` and `A^T` each.
        num_inner: Dual steps of each proximal map.
        bounds: Least and greatest value; None: any.
        start: First image, `[*batch, *domain_shape]`; default: the filtered
            back-projection (Hann) where the operator has an `fbp`, else `A^T P y`.
        continuation: First weight as a multiple of `weight`, at least 1: the weight
            stays as it is.

    Returns:
        Images within the bounds; float64 if `y` or `start` is.

    Raises:
        ValueError: If a shape does not fit, the domain are no images, the weight is
            negative, the continuation below 1, the bounds are no interval or a number
            of steps is below 1.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.reconstruction.total_variation import total_variation
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> A = LateralDecimation(factor=4)
        >>> y = A(np.where(np.arange(16) < 8, 0.2, 0.8)[None].repeat(16, 0))
        >>> image = total_variation(y, A, weight=1e-3)
        >>> print(np.asarray(image[8]).round(1))
        [0.2 0.2 0.2 0.2 0.2 0.3 0.3 0.4 0.8 0.8 0.8 0.8 0.8 0.8 0.8 0.8]
    """
    y = as_real(y, "y")
    if isinstance(weight, int | float) and weight < 0:
        raise ValueError(f"weight = {weight}: expected at least 0")
    if not continuation >= 1:
        raise ValueError(f"continuation = {continuation}: expected at least 1")
    num_iterations = check_steps(num_iterations, "num_iterations")
    num_inner = check_steps(num_inner, "num_inner")
    check_bounds(bounds)
    if len(A.domain_shape) != 2:
        raise ValueError(
            f"A.domain_shape = {A.domain_shape}: expected height and width"
        )
    A = prepared(A)
    first, y = as_alike(_first(y, A) if start is None else start, y)
    first = into_box(first, bounds)
    weight = jnp.asarray(weight, first.dtype)[..., None, None]
    check_measurement(first, y, A)

    def step(iteration: Array, state: _Outer) -> _Outer:
        image, ahead, dual, momentum = state
        target = ahead + descent(ahead, y, A)
        left = jnp.maximum(0, 1 - iteration / (_FALLING * num_iterations))
        new, dual = _denoise(
            target,
            dual,
            weight=weight * (continuation**left).astype(target.dtype),
            num_steps=num_inner,
            bounds=bounds,
        )
        following = next_momentum(momentum)
        ahead = new + (momentum - 1) / following * (new - image)
        return new, ahead, dual, following

    zeros = jnp.zeros_like(first)
    state = first, first, (zeros, zeros), jnp.ones((), first.dtype)
    return lax.fori_loop(0, num_iterations, step, state)[0]


def _first(y: Array, A: LinearOperator) -> Array:
    fbp = getattr(A, "fbp", None)
    return A.T(A.precondition(y)) if fbp is None else fbp(y, filter_name="hann")


def _denoise(
    image: Array, dual: _Field, *, weight: Array, num_steps: int, bounds: Bounds
) -> tuple[Array, _Field]:
    """Proximal map of `weight * TV` over the box, and the dual that gives it."""
    # 8 bounds the squared norm of the gradient in two dimensions.
    rate = 1 / (8 * jnp.maximum(weight, 1e-12))

    def primal(dual: _Field) -> Array:
        return into_box(image + weight * _divergence(dual), bounds)

    def step(_: Array, state: _Inner) -> _Inner:
        dual, ahead, momentum = state
        down, right = (
            old + rate * slope
            for old, slope in zip(ahead, _gradient(primal(ahead)), strict=True)
        )
        shrink = lax.rsqrt(jnp.maximum(1.0, down**2 + right**2))
        new = down * shrink, right * shrink
        following = next_momentum(momentum)
        further = (momentum - 1) / following
        down, right = (n + further * (n - d) for n, d in zip(new, dual, strict=True))
        return new, (down, right), following

    state = dual, dual, jnp.ones((), image.dtype)
    dual = lax.fori_loop(0, num_steps, step, state)[0]
    return primal(dual), dual


def _gradient(image: Array) -> _Field:
    """Forward differences along rows and columns; 0 at the far edges."""
    height, width = image.shape[-2:]
    inside = jnp.arange(height) < height - 1, jnp.arange(width) < width - 1
    down = (_moved(image, -2, -1) - image) * inside[0][:, None]
    right = (_moved(image, -1, -1) - image) * inside[1]
    return down, right


def _divergence(field: _Field) -> Array:
    """Minus the transpose of `_gradient`, of fields that are 0 at the far edges."""
    down, right = field
    return down - _moved(down, -2, 1) + right - _moved(right, -1, 1)


def _moved(plane: Array, axis: int, steps: int) -> Array:
    """Moved by some pixels along an axis, with zeros behind.

    A padding that is negative at the other end: what is fused with it keeps the loops
    of a whole plane, which a difference of slices does not.
    """
    widths = [(0, 0, 0)] * plane.ndim
    widths[axis] = (steps, -steps, 0)
    return lax.pad(plane, jnp.zeros((), plane.dtype), widths)

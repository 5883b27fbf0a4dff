"""The data term that the algorithms share: `(A x - y)^T P (A x - y) / 2`.

`P` is the operator's `precondition`, so the Hessian has norm 1 at most and a descent
takes steps of length 1.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from sisr_jax.geometries import whole_number
from sisr_jax.operators import LinearOperator
from sisr_jax.reals import as_real

Bounds = tuple[float, float] | None


def prepared(A: LinearOperator) -> LinearOperator:
    """The operator with its norm, if `P` is made of that.

    Asked for within a loop under `jit`, the norm would be computed in every step.
    """
    if type(A).precondition is not LinearOperator.precondition:
        return A
    return dataclasses.replace(A, known_norm=A.norm())


def as_alike(
    x: Real[Array | np.ndarray, "..."], y: Real[Array | np.ndarray, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Image and measurement as float32, or float64 if one of them is."""
    x, y = as_real(x, "x"), as_real(y, "y")
    dtype = jnp.promote_types(x.dtype, y.dtype)
    return x.astype(dtype), y.astype(dtype)


def descent(
    x: Float[Array, "..."],
    y: Float[Array, "..."],
    A: LinearOperator,
) -> Float[Array, "..."]:
    """`A^T P (y - A x)`, the step along which the data term falls."""
    return A.T(A.precondition(y - A(x)))


def into_box(x: Float[Array, "..."], bounds: Bounds) -> Float[Array, "..."]:
    """The nearest values within the bounds, if there are any."""
    return (
        x
        if bounds is None
        else jnp.clip(x, *(jnp.asarray(bound, x.dtype) for bound in bounds))
    )


def next_momentum(momentum: Float[Array, ""]) -> Float[Array, ""]:
    """The sequence of FISTA, from 1."""
    return (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2


def check_measurement(
    x: Float[Array, "..."],
    y: Float[Array, "..."],
    A: LinearOperator,
) -> None:
    """Checks that `y` has the shape of `A x`.

    Raises:
        ValueError: If it has not.
    """
    expected = jax.eval_shape(lambda A, x: A(x), A, x).shape
    if y.shape != expected:
        raise ValueError(f"y of shape {y.shape}: expected {expected}, that of A x")


def check_steps(num_steps: int, name: str = "num_steps") -> int:
    """The number of steps, as Python's, checked that there is one.

    Raises:
        TypeError: If it is no whole number.
        ValueError: If there is none.
    """
    return whole_number(name, num_steps, "steps", least=1)


def check_bounds(bounds: Bounds) -> None:
    """Checks that the first bound is below the second.

    Raises:
        ValueError: If it is not.
    """
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ValueError(f"bounds = {bounds}: expected (lower, upper) or None")

"""What is left of values without their mean."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float


def deviations(
    values: Float[Array, "..."],
    axis: int | Sequence[int],
    where: Bool[Array, "..."] | None = None,
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Values without their mean, exactly 0 where all are equal.

    The mean of equal numbers is another one to rounding, in an order that depends on
    the compiler: what is left then looks like structure.

    Args:
        values: Any unit.
        axis: Axes to average over.
        where: What counts; what does not has no deviation and no gradient, NaN or not.

    Returns:
        The deviations, and the mean with axes of length 1.
    """
    low = jnp.min(values, axis=axis, where=where, initial=jnp.inf, keepdims=True)
    low = lax.stop_gradient(low)  # of which the result does not depend
    above = values - low
    if where is not None:
        above = jnp.where(where, above, 0.0)
    mean = jnp.mean(above, axis=axis, where=where, keepdims=True)
    rest = above - mean
    if where is not None:
        rest = jnp.where(where, rest, 0.0)
    return rest, low + mean

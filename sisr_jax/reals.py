"""What functions of real numbers accept."""

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Real


def check_real(values: Real[Array | np.ndarray, "..."], name: str) -> None:
    """Refuses complex numbers, of which a conversion would drop the imaginary part.

    Args:
        values: Of any type.
        name: What they are called in messages.

    Raises:
        TypeError: If they are complex.
    """
    if jnp.iscomplexobj(values):
        found = jnp.result_type(values)
        raise TypeError(f"{name} of type {found}: expected real numbers")


def as_real(
    values: Real[Array | np.ndarray, "..."], name: str, dtype: DTypeLike | None = None
) -> Float[Array, "..."]:
    """The values in floating point.

    Args:
        values: Of any real type.
        name: What they are called in messages.
        dtype: Wanted type; None: float32, unless they are float64.

    Raises:
        TypeError: If they are complex.
    """
    check_real(values, name)
    if dtype is not None:  # at once: large integers would be cut to 32 bits first
        return jnp.asarray(values, dtype)
    array = jnp.asarray(values)
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))

"""What functions of numbers accept."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Num, Real


def check_unmasked(values: Any, name: str) -> None:
    """Refuses a masked array, of which a conversion would drop the mask.

    Args:
        values: Of any type.
        name: What they are called in messages.

    Raises:
        TypeError: If they are masked.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(
            f"{name}: a masked array, whose mask would be lost: expected plain numbers"
        )


def as_array(values: Num[Array | np.ndarray, "..."], name: str) -> Num[Array, "..."]:
    """The values as JAX has them, and whole numbers that it would cut as float32.

    JAX has 64 bits on request only, and no byte order but the machine's.

    Args:
        values: Of any type.
        name: What they are called in messages.

    Raises:
        TypeError: If they are masked.
    """
    check_unmasked(values, name)
    if isinstance(values, np.ndarray):
        native = values.dtype.newbyteorder("=")
        is_cut = jax.dtypes.canonicalize_dtype(native) != native
        values = values.astype(
            np.float32 if is_cut and native.kind in "iu" else native, copy=False
        )
    return jnp.asarray(values)


def check_real(values: Real[Array | np.ndarray, "..."], name: str) -> None:
    """Refuses complex numbers, of which a conversion would drop the imaginary part.

    Args:
        values: Of any type.
        name: What they are called in messages.

    Raises:
        TypeError: If they are complex or masked.
    """
    check_unmasked(values, name)
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
        TypeError: If they are complex or masked.
    """
    check_real(values, name)
    array = as_array(values, name)
    if dtype is not None:
        return array.astype(dtype)
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))

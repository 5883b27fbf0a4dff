"""What metrics accept: pairs of images, and masks."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from sisr_jax.types import Image

AnyImage = Image | Float[np.ndarray, "*batch height width channels"]
# `#`: one mask may serve a whole batch.
Mask = Bool[Array | np.ndarray, "*#batch height width 1"]


def check_same_shape(a: Array | np.ndarray, b: Array | np.ndarray) -> None:
    """Raises ValueError if the shapes differ."""
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape}: expected equal ones")


def mask_for(
    shape: Sequence[int], mask: Array | np.ndarray, name: str = "mask"
) -> Array:
    """A mask as an array that broadcasts over images of a shape.

    Raises:
        ValueError: If it is not boolean or does not fit.
    """
    if mask.dtype != bool:
        raise ValueError(f"{name} of type {mask.dtype}: expected bool")
    height, width = shape[-3:-1]
    batch, given = tuple(shape[:-3]), tuple(mask.shape[:-3])
    if mask.shape[-3:] != (height, width, 1) or not _serves(given, batch):
        raise ValueError(
            f"{name} of shape {mask.shape} for images of shape {tuple(shape)}: "
            f"expected [*batch, {height}, {width}, 1]"
        )
    return jnp.asarray(mask)


def _serves(given: tuple[int, ...], batch: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(given, batch) == batch
    except ValueError:
        return False

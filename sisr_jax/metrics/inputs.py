"""What metrics accept: pairs of images, and masks."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Real

from sisr_jax.reals import as_real

AnyImage = Real[Array | np.ndarray, "..."]
Mask = Bool[Array | np.ndarray, "..."]

# A longer last axis is the width of a plane.
_MOST_CHANNELS = 4


def as_image(image: AnyImage) -> Float[Array, "*batch height width channels"]:
    """An image in float32, with an axis of channels if it has none.

    Raises:
        TypeError: If it is complex.
        ValueError: If there are fewer than two axes.
    """
    if image.ndim < 2:
        raise ValueError(
            f"image of shape {image.shape}: expected [*batch, height, width, channels] "
            "or [*batch, height, width]"
        )
    array = as_real(image, "image", jnp.float32)
    is_plane = image.ndim == 2 or image.shape[-1] > _MOST_CHANNELS
    return array[..., None] if is_plane else array


def as_pair(
    a: AnyImage, b: AnyImage
) -> tuple[
    Float[Array, "*batch height width channels"],
    Float[Array, "*batch height width channels"],
]:
    """Two images of one shape, see `as_image`.

    Raises:
        ValueError: If the shapes differ or there are fewer than two axes.
    """
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape}: expected equal ones")
    return as_image(a), as_image(b)


def check_grey_levels(a: AnyImage, b: AnyImage, data_range: int | float) -> None:
    """Refuses integers that would be scored as if 1 was their largest value.

    Raises:
        ValueError: If an image holds integers and the range is 1.
    """
    for image in (a, b):
        if jnp.issubdtype(image.dtype, jnp.integer) and data_range == 1:
            raise ValueError(
                f"image of type {image.dtype} with data_range = 1: expected values in "
                "[0, 1], or data_range= of the grey levels, for instance 255"
            )


def mask_for(
    shape: Sequence[int], mask: Array | np.ndarray, name: str = "mask"
) -> Array:
    """A mask as an array that broadcasts over images of a shape with channels.

    Raises:
        ValueError: If it is not boolean or does not fit.
    """
    if mask.dtype != bool:
        raise ValueError(f"{name} of type {mask.dtype}: expected bool")
    height, width = shape[-3:-1]
    if mask.shape[-3:] != (height, width, 1) and mask.shape[-2:] == (height, width):
        mask = mask[..., None]
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

"""Random symmetries and crops of a batch, every example by its own key.

Applied before the degradation, or to all images of a pair at the same place, so
high resolution and degraded stay aligned. Keys come one for each example, hence
the same example is cut the same way at any batch size and device count.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float
from jaxtyping import Key as TypedKey

from sisr_jax.explicit_meshes import placed_alike
from sisr_jax.geometries import whole_number
from sisr_jax.types import Image, Key

Keys = TypedKey[Array, " batch"]
Images = Float[Array, "batch height width channels"]
AnyImages = Float[Array, "batch height width _"]  # channels may differ in a pair


def flip_and_rotate(
    keys: Keys, image: Images, *, horizontal: bool, vertical: bool, rotate: bool
) -> Images:
    """Draws one symmetry of the rectangle or of the square for each example.

    With everything allowed the eight symmetries of the square are equally
    likely. Pixels are moved, never interpolated.

    Args:
        keys: One key for each example.
        image: Any range.
        horizontal: Mirror the columns of half of the examples.
        vertical: Mirror the rows of half of the examples.
        rotate: Turn by 0, 90, 180 or 270 degrees, equally likely.

    Returns:
        The moved images.

    Raises:
        ValueError: If `rotate` is asked for images that are not square.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from sisr_jax.image.patches import flip_and_rotate
        >>> keys = jax.random.split(jax.random.key(0), 64)
        >>> images = jax.numpy.arange(4.0).reshape(1, 2, 2, 1).repeat(64, 0)
        >>> moved = flip_and_rotate(
        ...     keys, images, horizontal=True, vertical=True, rotate=True
        ... )
        >>> len(np.unique(moved, axis=0))  # symmetries of the square
        8
    """
    height, width = image.shape[-3:-1]
    if rotate and height != width:
        raise ValueError(
            f"image of {height} x {width} pixels: only square ones can be rotated"
        )

    def move(one: Image, key: Key) -> Image:
        mirror_columns, mirror_rows, turn_half, turn_quarter = jax.random.bernoulli(
            key, shape=(4,)
        )
        mirror_columns &= horizontal
        mirror_rows &= vertical
        if rotate:
            # A quarter turn is a transposition and one mirror; a half turn both.
            one = jnp.where(turn_quarter, jnp.swapaxes(one, 0, 1), one)
            mirror_rows ^= turn_half ^ turn_quarter
            mirror_columns ^= turn_half
        one = jnp.where(mirror_columns, one[:, ::-1], one)
        return jnp.where(mirror_rows, one[::-1], one)

    return placed_alike(jax.vmap(move), image, keys)


def random_crop(
    keys: Keys, images: tuple[AnyImages, ...], size: tuple[int, int]
) -> tuple[Float[Array, "batch {size[0]} {size[1]} _"], ...]:
    """Cuts one random window, equally likely at every place, for each example.

    Args:
        keys: One key for each example.
        images: Images of equal height and width, cut at the same place.
        size: Height and width of the window.

    Returns:
        The windows, in the order of `images`.

    Raises:
        TypeError: If `size` is not of whole numbers.
        ValueError: If the images differ in height or width, or are smaller than
            the window, or that is empty.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from sisr_jax.image.patches import random_crop
        >>> keys = jax.random.split(jax.random.key(0), 2)
        >>> image = jnp.ones((2, 16, 16, 1))
        >>> a, b = random_crop(keys, (image, 2 * image), (8, 8))
        >>> a.shape, bool((b == 2 * a).all())
        ((2, 8, 8, 1), True)
    """
    rows, columns = (whole_number("size", each, "pixels", least=1) for each in size)
    size = rows, columns
    places = {image.shape[-3:-1] for image in images}
    if len(places) != 1:
        raise ValueError(f"images of {sorted(places)} pixels: expected equal sizes")
    height, width = places.pop()
    _check_fits((height, width), size)
    last = np.array([height - size[0], width - size[1]])

    def cut(one: Image, key: Key) -> Array:
        corner = jax.random.randint(key, (2,), 0, last + 1)
        sliced, picked = (
            functools.partial(way, size=size) for way in (_sliced, _picked)
        )
        return lax.platform_dependent(one, corner, tpu=picked, default=sliced)

    return tuple(placed_alike(jax.vmap(cut), image, keys) for image in images)


def _sliced(image: Image, corner: Array, *, size: tuple[int, int]) -> Array:
    """The window from a corner on."""
    return lax.dynamic_slice(image, (*corner, 0), (*size, image.shape[-1]))


def _picked(image: Image, corner: Array, *, size: tuple[int, int]) -> Array:
    """The same by products with matrices of ones and zeros, exact for finite pixels.

    A TPU moves columns by a number that it learns as it goes row by row; that takes it
    four times as long as the products.
    """
    rows, columns = (
        (start + jnp.arange(side)[:, None] == jnp.arange(whole)).astype(image.dtype)
        for start, side, whole in zip(corner, size, image.shape[:2], strict=True)
    )
    exact = lax.Precision.HIGHEST
    return jnp.einsum("rh,hwc,kw->rkc", rows, image, columns, precision=exact)


def _check_fits(shape: tuple[int, int], size: tuple[int, int]) -> None:
    if size[0] > shape[0] or size[1] > shape[1]:
        raise ValueError(
            f"image of {shape[0]} x {shape[1]} pixels is smaller than the crop of "
            f"{size[0]} x {size[1]}"
        )

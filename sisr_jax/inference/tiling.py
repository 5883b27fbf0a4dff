"""Restoring a large image in overlapping tiles, as if it were restored whole.

The memory is that of one tile, and the network stands in the program once, for all
tiles have the same shape. What a network makes of a pixel depends on the input up to
`reach` pixels away. So a tile is not believed that near to a side that cuts the image,
and neighbours overlap by more than that twice; in between, their weights go over into
each other and sum to one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from sisr_jax.config import Config
from sisr_jax.image.padding import pad_to_multiple

# Sides of the largest images that are restored whole, in pixels of the result.
_LARGEST = 1024
# Pixels over which one tile goes over into the next.
_BLEND = 16


class Tiling(NamedTuple):
    """How images are cut.

    Attributes:
        size: Rows and columns of a tile; of an axis that is shorter its length.
        reach: Pixels of the input, along either axis, that a result depends on beside
            the pixel itself.
        multiple: Tiles begin where blocks of so many pixels do that the network takes
            together.
        factor: Output columns for each input column.
    """

    size: tuple[int, int]
    reach: int
    multiple: int = 1
    factor: int = 1

    def holds(self, shape: Sequence[int]) -> bool:
        """Whether images of this height and width are one tile."""
        return shape[0] <= self.size[0] and shape[1] <= self.size[1]


def tiling_of(config: Config) -> Tiling | None:
    """How images are cut for the network of a configuration.

    None where it looks at a measurement, of which a tile has none, or at the whole of
    an image.
    """
    section, factor = config.generator, config.degradation.width_factor
    if "measurement" in section.sees:
        return None
    reach, multiple = section.reach(factor), section.multiple
    if reach is None:
        return None
    # In smaller ones most would be what their neighbours restore, too.
    least = 4 * reach + 2 * _BLEND
    rows, columns = (
        -(-max(side, least) // multiple) * multiple
        for side in (_LARGEST, _LARGEST // factor)
    )
    return Tiling((rows, columns), reach, multiple, factor)


class Cover(NamedTuple):
    """Tiles along one axis of an image.

    Attributes:
        starts: First input pixel of each, `[tiles]`.
        weights: Of the output pixels of each, float32 `[tiles, size * factor]`; those
            of an output pixel sum to one.
    """

    starts: np.ndarray
    weights: np.ndarray


def cover(
    length: int, *, size: int, reach: int, multiple: int = 1, factor: int = 1
) -> Cover:
    """Places tiles along an axis; arguments are those of `Tiling`.

    Args:
        length: Of the axis, a multiple of `multiple`.
        size: Of a tile, a multiple of `multiple`; at most `length`.
        reach: See `Tiling`.
        multiple: See `Tiling`.
        factor: Output pixels for each input pixel.

    Raises:
        ValueError: If a size does not divide, or tiles are too small to overlap.
    """
    if length % multiple or size % multiple or not 0 < size <= length:
        raise ValueError(
            f"tiles of {size} of {length} pixels: expected multiples of {multiple}"
        )
    step = (size - 2 * reach - _BLEND) // multiple * multiple
    if size < length and step < 1:
        raise ValueError(
            f"tiles of {size} pixels: expected at least {2 * reach + _BLEND + multiple}"
        )
    count = 1 if size == length else 1 + -(-(length - size) // step)
    starts = np.minimum(np.arange(count) * step, length - size)
    weights = np.ones((count, size * factor))
    # From 0 where the first pixel is believed to 1.
    inside = np.arange(size * factor) + 1 - reach * factor
    ramp = np.clip(inside / (_BLEND * factor), 0, 1)
    weights[1:] *= ramp
    weights[:-1] *= ramp[::-1]
    total = np.zeros(length * factor)
    places = [np.s_[each * factor : (each + size) * factor] for each in starts]
    for place, each in zip(places, weights, strict=True):
        total[place] += each
    for place, each in zip(places, weights, strict=True):
        each /= total[place]
    return Cover(starts, weights.astype(np.float32))


def restore_in_tiles(
    restore: Callable[[Float[Array, "1 rows columns"]], Float[Array, "1 rows wide"]],
    images: Float[Array, "batch height width"],
    tiling: Tiling,
) -> Float[Array, "batch height wide"]:
    """Restores images of any size, one tile at a time.

    Args:
        restore: Maps a tile to one with `tiling.factor` times as many columns.
        images: Any range; continued by their last row and column where
            `tiling.multiple` does not divide their sides.
        tiling: How to cut them.

    Returns:
        What `restore` makes of whole images, to rounding.

    Raises:
        ValueError: If tiles are too small to overlap.
    """
    height, width = images.shape[1:]
    reach, multiple, factor = tiling.reach, tiling.multiple, tiling.factor
    images = pad_to_multiple(images[..., None], multiple=multiple)[..., 0]
    sides = [min(each) for each in zip(tiling.size, images.shape[1:], strict=True)]
    rows, columns = (
        cover(length, size=size, reach=reach, multiple=multiple, factor=each)
        for length, size, each in zip(images.shape[1:], sides, (1, factor), strict=True)
    )
    row, column = np.indices((len(rows.starts), len(columns.starts))).reshape(2, -1)
    tiles = (
        *(rows.starts[row], columns.starts[column]),
        *(rows.weights[row], columns.weights[column]),
    )

    def restore_one(image: Array) -> Array:
        def add(whole: Array, tile: tuple[Array, ...]) -> tuple[Array, None]:
            top, left, down, across = tile
            part = lax.dynamic_slice(image, (top, left), sides)
            found = down[:, None] * restore(part[None])[0] * across
            place = (top, left * factor)
            found += lax.dynamic_slice(whole, place, found.shape)
            return lax.dynamic_update_slice(whole, found, place), None

        whole = jnp.zeros((len(image), image.shape[1] * factor))
        return lax.scan(add, whole, tuple(map(jnp.asarray, tiles)))[0]

    return lax.map(restore_one, images)[:, :height, : width * factor]

"""Scan conversion: from beams to the picture of a sector, and back.

A beam image is `[..., depth, line]`: sample `i` of line `j` lies at radius
`radii[i]` mm from the apex, in direction `angles[j]` radians. The apex is the
point where the lines meet. For a curved array it is behind the face of the probe,
which is at `radii[0]`; for a phased array it is the middle of the face.

Physical coordinates are in mm from the apex: depth `z = r cos(angle)` goes down
the rows, lateral position `x = r sin(angle)` to the right along the columns. The
angle is 0 straight ahead and positive to the right. Any other unit of length will
do if the radii, the spacing and the origin share it.

Where each output reads its input depends only on the two grids. It is found on the
host in float64 and stored as the first of four neighbours and two fractions, so
positions do not suffer from float32; the compiled program gathers and blends.
Both directions are linear in their input, and differentiable.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Real

from sisr_jax.reals import as_array
from sisr_jax.types import Plane
from sisr_jax.ultrasound.sector import CartesianGrid, PolarGrid

# Share of a sample that rounding may put a point beyond the last one: the tip of a
# fan would otherwise be inside or outside by luck.
_SLACK = 1e-6


def to_cartesian(
    beams: Real[Array | np.ndarray, "*batch depth line"],
    polar: PolarGrid,
    cartesian: CartesianGrid,
    *,
    fill: int | float = 0.0,
) -> Plane:
    """Draws beams as the sector they were acquired in.

    Bilinear in radius and angle between the four samples around a pixel.

    Args:
        beams: Samples along the lines of `polar`, finite, any unit; float64 stays
            float64, everything else becomes float32.
        polar: Where the samples are.
        cartesian: Where the pixels are.
        fill: Value of the pixels outside the fan.

    Returns:
        The picture, with the values of the beams inside `fan_mask`.

    Raises:
        ValueError: If `beams` does not have the shape of `polar`.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.ultrasound import CartesianGrid, PolarGrid, to_cartesian
        >>> polar = PolarGrid(radii=np.arange(0, 9), angles=np.deg2rad([-45, 0, 45]))
        >>> pixels = CartesianGrid(shape=(3, 5), spacing=(2, 2), origin=(2, -4))
        >>> beams = np.tile(np.arange(9.0)[:, None], (1, 3))  # each sample its radius
        >>> print(np.asarray(to_cartesian(beams, polar, pixels)).round(1))
        [[0.  2.8 2.  2.8 0. ]
         [5.7 4.5 4.  4.5 5.7]
         [7.2 6.3 6.  6.3 7.2]]
    """
    return _read(beams, "beams", polar.shape, fan_taps(polar, cartesian), fill)


def to_polar(
    image: Real[Array | np.ndarray, "*batch height width"],
    polar: PolarGrid,
    cartesian: CartesianGrid,
    *,
    fill: int | float = 0.0,
) -> Float[Array, "*batch depth line"]:
    """Reads a picture along the lines of a probe.

    Bilinear between the four pixels around a sample. It undoes `to_cartesian` up to
    the interpolation error, where the pixels are as dense as the samples. Samples at
    the border of the fan have neighbours outside it, and blend with what is there.

    Args:
        image: Picture on the grid `cartesian`, finite, any unit; float64 stays
            float64, everything else becomes float32.
        polar: Where to read.
        cartesian: Where the pixels are.
        fill: Value of the samples outside the picture.

    Returns:
        The beams, in the unit of the picture.

    Raises:
        ValueError: If `image` does not have the shape of `cartesian`.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.ultrasound import CartesianGrid, PolarGrid, to_polar
        >>> polar = PolarGrid(radii=np.arange(1, 5), angles=np.deg2rad([-30, 0, 30]))
        >>> pixels = CartesianGrid(shape=(6, 7), spacing=(1, 1), origin=(0, -3))
        >>> image = np.tile(np.arange(6.0)[:, None], (1, 7))  # each pixel its depth
        >>> print(np.asarray(to_polar(image, polar, pixels)).round(2))
        [[0.87 1.   0.87]
         [1.73 2.   1.73]
         [2.6  3.   2.6 ]
         [3.46 4.   3.46]]
    """
    return _read(image, "image", cartesian.shape, _pixel_taps(polar, cartesian), fill)


def fan_mask(polar: PolarGrid, cartesian: CartesianGrid) -> Bool[Array, "height width"]:
    """Which pixels lie between the first and last radius, and first and last line.

    Args:
        polar: The fan.
        cartesian: Where the pixels are.

    Returns:
        True inside the fan, its border included.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.ultrasound import CartesianGrid, PolarGrid, fan_mask
        >>> polar = PolarGrid(radii=np.arange(0, 4), angles=np.deg2rad([-90, 0, 90]))
        >>> pixels = CartesianGrid.covering(polar, spacing=1.0)
        >>> print(fan_mask(polar, pixels).astype(int))
        [[1 1 1 1 1 1 1]
         [0 1 1 1 1 1 0]
         [0 1 1 1 1 1 0]
         [0 0 0 1 0 0 0]]
    """
    return jnp.asarray(fan_taps(polar, cartesian).inside)


class _Taps(NamedTuple):
    """Where each output reads: `[rows, columns]` arrays of the output's shape.

    Attributes:
        row: First of the two rows of the input, always with another one below.
        column: First of the two columns.
        down: Share of the second row, in [0, 1].
        right: Share of the second column, in [0, 1].
        inside: False where the input does not reach.
    """

    row: np.ndarray
    column: np.ndarray
    down: np.ndarray
    right: np.ndarray
    inside: np.ndarray


def _read(
    values: Array | np.ndarray,
    name: str,
    shape: tuple[int, int],
    taps: _Taps,
    fill: int | float,
) -> Array:
    values = as_planes(values, name, shape)
    # Cast on the host: JAX would cast float64 by a global switch, and may reuse what
    # it cast before the switch was turned.
    down, right = (share.astype(values.dtype) for share in (taps.down, taps.right))
    return blend(values, taps._replace(down=down, right=right), fill)


def as_planes(
    values: Real[Array | np.ndarray, "..."], name: str, shape: tuple[int, int]
) -> Float[Array, "*batch rows columns"]:
    """Planes of a shape, as float32 unless they are float64.

    Raises:
        ValueError: If the shape is another.
    """
    planes = as_array(values, name)
    if planes.shape[-2:] != shape:
        raise ValueError(
            f"{name} of shape {planes.shape}: expected [..., {shape[0]}, {shape[1]}]"
            f"{', without an axis of channels' if planes.shape[-1:] == (1,) else ''}"
        )
    return planes.astype(jnp.promote_types(planes.dtype, jnp.float32))


# Compiled even when called outside `jit`: op by op, each of the four reads would
# be stored.
@jax.jit
def blend(
    values: Float[Array, "*batch rows columns"], taps: _Taps, fill: Array | int | float
) -> Float[Array, "*batch height width"]:
    """Bilinear reads at the places of the taps; `fill` where there are none."""
    columns = values.shape[-1]
    # One flat axis of samples: a gather of scalars, whatever the batch.
    samples = values.reshape(*values.shape[:-2], math.prod(values.shape[-2:]))
    corner = taps.row * columns + taps.column

    def read(index: Array | np.ndarray) -> Array:
        return samples.at[..., index].get(mode="promise_in_bounds")

    def between(index: Array | np.ndarray) -> Array:
        return (1 - right) * read(index) + right * read(index + 1)

    down, right = jnp.asarray(taps.down), jnp.asarray(taps.right)
    blended = (1 - down) * between(corner) + down * between(corner + columns)
    return jnp.where(taps.inside, blended, jnp.asarray(fill, values.dtype))


@functools.lru_cache(maxsize=8)
def fan_taps(polar: PolarGrid, cartesian: CartesianGrid) -> _Taps:
    """Samples around each pixel."""
    z, x = cartesian.rows[:, None], cartesian.columns
    row = _index(np.hypot(z, x), polar.radii)
    return _taps(row, _index(np.arctan2(x, z), polar.angles), polar.shape)


@functools.lru_cache(maxsize=8)
def _pixel_taps(polar: PolarGrid, cartesian: CartesianGrid) -> _Taps:
    """Pixels around each sample."""
    radius = polar.radii[:, None]
    row = _index(radius * np.cos(polar.angles), cartesian.rows)
    column = _index(radius * np.sin(polar.angles), cartesian.columns)
    return _taps(row, column, cartesian.shape)


def _index(
    position: Float[np.ndarray, "height width"], table: Float[np.ndarray, " samples"]
) -> Float[np.ndarray, "height width"]:
    """Fractional index of positions in a monotone table, NaN beyond its ends."""
    order = slice(None) if table[0] < table[-1] else slice(None, None, -1)
    ascending, number = table[order], np.arange(len(table))[order].astype(np.float64)
    first = ascending[0] - _SLACK * (ascending[1] - ascending[0])
    last = ascending[-1] + _SLACK * (ascending[-1] - ascending[-2])
    index = np.interp(position, ascending, number)
    return np.where((position >= first) & (position <= last), index, np.nan)


def _taps(
    row: Float[np.ndarray, "height width"],
    column: Float[np.ndarray, "height width"],
    shape: tuple[int, int],
) -> _Taps:
    inside = ~(np.isnan(row) | np.isnan(column))
    row, column = np.where(inside, row, 0.0), np.where(inside, column, 0.0)
    # The last sample is read as the second of its pair: four taps everywhere.
    top = np.minimum(np.floor(row), shape[0] - 2)
    left = np.minimum(np.floor(column), shape[1] - 2)
    taps = _Taps(
        top.astype(np.int32),
        left.astype(np.int32),
        row - top,
        column - left,
        inside,
    )
    for array in taps:
        array.setflags(write=False)  # shared by every caller through the cache
    return taps

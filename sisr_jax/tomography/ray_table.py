"""Line integrals as a sparse matrix: which pixels a ray meets, with which weights.

Along a ray nearer to the vertical than to the horizontal the image is read once in
every row, by linear interpolation between two pixels; along the others once in every
column (Joseph 1982, "An improved algorithm for reprojecting rays through pixel
images", IEEE Trans. Med. Imaging 1(3), 192-196). Linear interpolation blurs: `sharpen`
undoes that to second order, without which line integrals of smooth shapes are a third
less accurate.

Made on the host in float64. The product is that of `jax.experimental.sparse`: on a CPU
a compiled kernel that takes one row at a time, elsewhere a gather of the pixels that
every ray meets (`[entries, planes]` in memory) and a segment sum.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import sparse
from jaxtyping import Array, Float, Int

# Independent parts of a product, which an ordinary processor computes at a time.
_PARTS = 4


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class SparseRows:
    """Some rows of a matrix. Arrays, or their shapes or shardings, hence `Any`.

    Attributes:
        weights: The entries, row by row, `[entries]`.
        columns: Their columns, `[entries]`.
        starts: Where each row begins in these, and where the last ends, `[rows + 1]`.
        num_columns: Columns of the matrix.
    """

    weights: Any
    columns: Any
    starts: Any
    num_columns: int = dataclasses.field(metadata={"static": True})


Matrix = tuple[SparseRows, ...]


class Entries(NamedTuple):
    """A sparse matrix on the host, row by row.

    Attributes:
        weights: Its entries.
        columns: Their columns.
        counts: How many each row has.
    """

    weights: Float[np.ndarray, " entries"]
    columns: Int[np.ndarray, " entries"]
    counts: Int[np.ndarray, " rows"]


def multiply(
    matrix: Matrix, values: Float[Array, "columns planes"]
) -> Float[Array, "rows planes"]:
    """Product of a sparse matrix with several vectors."""
    products = []
    for part in matrix:
        shape = len(part.starts) - 1, part.num_columns
        entries = part.weights.astype(values.dtype), part.columns, part.starts
        products.append(sparse.BCSR(entries, shape=shape) @ values)
    return jnp.concatenate(products)


def sharpen(planes: Float[Array, "size size *rest"]) -> Array:
    """Adds a twelfth of the negative second differences along rows and columns.

    Linear interpolation multiplies a frequency of `f` radians per pixel by about
    `1 - f^2 / 12`. Symmetric: its own transpose. Outside, the image is 0.
    """
    for axis in 0, 1:
        padded = jnp.pad(planes, [(int(axis == at),) * 2 for at in range(planes.ndim)])
        size = planes.shape[axis]
        before, after = (
            jax.lax.slice_in_dim(padded, at, at + size, axis=axis) for at in (0, 2)
        )
        planes = planes + (2 * planes - before - after) / 12
    return planes


def sharpening(frequency: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """What `sharpen` multiplies a frequency along an axis with, in cycles per pixel."""
    return 1 + (1 - np.cos(2 * np.pi * np.minimum(frequency, 0.5))) / 6


def ray_table(
    angles: Float[np.ndarray, " rays"],
    offsets: Float[np.ndarray, " rays"],
    size: int,
    pixel: float,
) -> Entries:
    """The rows of the matrix for rays `x cos t + y sin t = s` from the image's middle.

    Args:
        angles: `t` in radians.
        offsets: `s` in pixels.
        size: Side of the image in pixels.
        pixel: Side of a pixel, in the unit of the integrals.

    Returns:
        A row for each ray; columns are the pixels, row by row of the image.
    """
    middle = (size - 1) / 2
    line = np.arange(size)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    by_row = np.abs(cos) >= np.abs(sin)
    steep = np.where(by_row, cos, sin)
    # Rows go downwards: `y` is the middle less the row.
    column = (offsets[:, None] - sin * (middle - line)) / steep + middle
    row = middle - (offsets[:, None] - cos * (line - middle)) / steep
    place = np.where(by_row, column, row)
    first = np.floor(place)
    share = place - first
    index = np.stack([first, first + 1], axis=-1).astype(np.int64)
    weight = np.stack([1 - share, share], axis=-1) * (pixel / np.abs(steep))[..., None]
    inside = (index >= 0) & (index < size) & (weight > 0)
    along, across = np.where(by_row, size, 1), np.where(by_row, 1, size)
    pixels = line[:, None] * along[..., None] + index * across[..., None]
    counts = inside.sum(axis=(1, 2))
    weights = weight[inside].astype(np.float32)
    return Entries(weights, pixels[inside].astype(np.int32), counts)


def stacked(tables: Sequence[Entries]) -> Entries:
    """The rows of several matrices, one after the other."""
    return Entries(*(np.concatenate(parts) for parts in zip(*tables, strict=True)))


def transposed(entries: Entries, num_columns: int) -> Entries:
    """The transpose of a matrix with that many columns."""
    order = np.argsort(entries.columns, kind="stable")
    rows = np.repeat(np.arange(len(entries.counts), dtype=np.int32), entries.counts)
    counts = np.bincount(entries.columns, minlength=num_columns)
    return Entries(entries.weights[order], rows[order], counts)


def matrix_of(entries: Entries, num_columns: int) -> Matrix:
    """A matrix on the device, in parts of about as many entries."""
    ends = np.cumsum(entries.counts)
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, _PARTS) / _PARTS)
    rows = np.unique([0, *cuts, len(ends)])
    # Where the entries of each row begin, and where the last end.
    starts = np.concatenate([[0], ends])
    parts = []
    for low, high in itertools.pairwise(rows):
        within = slice(starts[low], starts[high])
        parts.append(
            SparseRows(
                jnp.asarray(entries.weights[within]),
                jnp.asarray(entries.columns[within]),
                jnp.asarray(starts[low : high + 1] - starts[low], jnp.int32),
                num_columns,
            )
        )
    return tuple(parts)

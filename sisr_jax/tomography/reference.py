"""Radon transform and back-projection by interpolation, as scikit-image has them.

The projection of angle `t` at detector offset `u` is the sum of image samples
on a grid of unit steps `v` along the ray: column `u cos t + v sin t + c`, row
`-u sin t + v cos t + c` with `c = size // 2`, read by bilinear interpolation
with zeros outside the image, and both `u` and `v` running over
`k - num_detectors // 2`. This is scikit-image's rotate-and-sum, without the
rotated image: it approximates the line integral of Kak & Slaney (1988),
"Principles of Computerized Tomographic Imaging", chapter 3, eq. 1 to 3.

Back-projection reads every view by linear interpolation at the place where
each pixel projects to: `(column - c) cos t - (row - c) sin t` from the central
detector. A pixel that projects outside the row of detectors gets nothing from
that view.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from sisr_jax.tomography.coordinates import Split, join, split
from sisr_jax.tomography.geometry import ParallelBeam

# Zero padding around the image. Two pixels, so that an index clipped into it finds
# zeros in both neighbours of the interpolation.
_PADDING = 2

# Ray samples added up before their sum joins the total: keeps the rounding error
# of a float32 sum of a thousand terms to that of about sixty.
_BLOCK = 32


@functools.partial(jax.jit, static_argnames="beam")
def project(
    image: Float[Array, "*batch size size"], beam: ParallelBeam
) -> Float[Array, "*batch angles detectors"]:
    """Adds up one sample of every ray at a time, over all angles at once.

    Sums along the loop, not within an array, since XLA:CPU fuses and vectorises
    an interpolation into an accumulation but not into a reduction: ten times
    faster, and nothing larger than the sinogram is ever stored.
    """
    side = beam.size + 2 * _PADDING
    planes = image.reshape(-1, beam.size, beam.size)
    width = ((0, 0), (_PADDING, _PADDING), (_PADDING, _PADDING))
    pixels = jnp.pad(planes, width).reshape(-1, side * side)
    across, along = _ray_tables(beam, image.dtype)

    # Reverse mode recomputes positions instead of storing those of every sample.
    @functools.partial(jax.checkpoint, prevent_cse=False)
    def add_sample(
        total: Float[Array, "planes angles detectors"], step: tuple[Split, Split]
    ) -> tuple[Float[Array, "planes angles detectors"], None]:
        row, column = (
            join(start, move) for start, move in zip(across, step, strict=True)
        )
        return total + _interpolate(pixels, row, column, side), None

    zeros = _zeros_like(planes, (beam.num_angles, beam.num_detectors))

    def add_block(
        total: Float[Array, "planes angles detectors"], block: tuple[Split, Split]
    ) -> tuple[Float[Array, "planes angles detectors"], None]:
        return total + lax.scan(add_sample, zeros, block)[0], None

    sinogram = lax.scan(add_block, zeros, along)[0]
    return sinogram.reshape(*image.shape[:-2], beam.num_angles, beam.num_detectors)


@functools.partial(jax.jit, static_argnames="beam")
def transpose(
    sinogram: Float[Array, "*batch angles detectors"], beam: ParallelBeam
) -> Float[Array, "*batch size size"]:
    """The exact transpose of `project`."""
    # Reverse mode and not `jax.linear_transpose`, which jax 0.7 cannot do to a
    # scan. The projection of the zeros is dead code to the compiler.
    zeros = _zeros_like(sinogram, (beam.size, beam.size))
    return jax.vjp(lambda image: project(image, beam), zeros)[1](sinogram)[0]


@functools.partial(jax.jit, static_argnames="beam")
def back_project_pixel_driven(
    views: Float[Array, "*batch angles detectors"], beam: ParallelBeam
) -> Float[Array, "*batch size size"]:
    """Sum over the views of their linear interpolation at every pixel.

    One view after the other is added to a running image.
    """
    last = beam.num_detectors - 1
    planes = jnp.moveaxis(views.reshape(-1, beam.num_angles, last + 1), 1, 0)
    # A pixel may project up to one detector beyond either end. Column k of
    # `here` and `after` are detectors k - 1 and k; neither end of the row is
    # joined to the zeros outside.
    here = jnp.pad(planes, ((0, 0), (0, 0), (1, 1)))
    after = jnp.pad(planes[..., 1:], ((0, 0), (0, 0), (1, 2)))

    # Reverse mode recomputes positions instead of storing those of every view.
    @functools.partial(jax.checkpoint, prevent_cse=False)
    def add_view(
        image: Float[Array, "planes size size"],
        view: tuple[Array, Array, Split, Split],
    ) -> tuple[Float[Array, "planes size size"], None]:
        here, after, row, column = view
        place, beyond = join(row, column)
        # On the last detector counts (to rounding: the sine of pi is not quite
        # 0), between it and the zeros does not.
        inside = (place <= last) | (beyond <= jnp.finfo(image.dtype).eps)
        weight = jnp.where(inside, 1 - beyond, 0)
        value = weight * _take(here, place) + beyond * _take(after, place)
        return image + value, None

    zeros = _zeros_like(jnp.moveaxis(planes, 1, 0), (beam.size, beam.size))
    steps = (here, after, *_pixel_tables(beam, views.dtype))
    image = lax.scan(add_view, zeros, steps)[0]
    return image.reshape(*views.shape[:-2], beam.size, beam.size)


def _zeros_like(
    planes: Float[Array, "*batch rows columns"], shape: tuple[int, int]
) -> Float[Array, "*batch {shape[0]} {shape[1]}"]:
    """Planes of another shape that are split over devices as the given ones are.

    A loop must start with what it goes on with, in what jax says of its devices, too.
    """
    corner = jnp.zeros_like(planes[..., :1, :1])
    return jnp.broadcast_to(corner, (*planes.shape[:-2], *shape))


def _ray_tables(
    beam: ParallelBeam, dtype: jax.typing.DTypeLike
) -> tuple[tuple[Split, Split], tuple[Split, Split]]:
    """Rows and columns of the samples, in the coordinates of the padded image.

    Returns:
        `(row, column)` where the rays cross the line through the centre,
        `[angles, detectors]`, and `(row, column)` to add for each step along the
        ray, `[blocks, _BLOCK, angles, 1]`.
    """
    centre = beam.num_detectors // 2
    cos, sin = np.cos(beam.angles)[:, None], np.sin(beam.angles)[:, None]
    u = np.arange(beam.num_detectors) - centre
    blocks = -(-beam.num_detectors // _BLOCK)
    # What fills up the last block is far outside the image at any angle. Just
    # going on would not do: an even number of detectors ends before the corner.
    v = np.full(blocks * _BLOCK, 4 * beam.num_detectors)
    v[: len(u)] = u
    v = v.reshape(blocks, _BLOCK, 1, 1)
    origin = beam.size // 2 + _PADDING
    across = split(origin - sin * u, dtype), split(origin + cos * u, dtype)
    return across, (split(v * cos, dtype), split(v * sin, dtype))


def _interpolate(
    pixels: Float[Array, "planes pixels"],
    row: tuple[Int[Array, "angles detectors"], Float[Array, "angles detectors"]],
    column: tuple[Int[Array, "angles detectors"], Float[Array, "angles detectors"]],
    side: int,
) -> Float[Array, "planes angles detectors"]:
    """Bilinear samples of padded images stored as rows of `side` pixels."""
    (top, down), (left, right) = row, column
    last = side - _PADDING
    corner = jnp.clip(top, 0, last) * side + jnp.clip(left, 0, last)
    upper = (1 - right) * _take(pixels, corner) + right * _take(pixels, corner + 1)
    corner += side
    lower = (1 - right) * _take(pixels, corner) + right * _take(pixels, corner + 1)
    return (1 - down) * upper + down * lower


def _take(
    rows: Float[Array, "rows columns"], index: Int[Array, "height width"]
) -> Float[Array, "rows height width"]:
    """Reads the same columns of every row; `index` must be in bounds.

    Spelt as a plain gather because indexing with brackets adds a test for
    negative indices to each of the billion reads.
    """
    numbers = lax.GatherDimensionNumbers(
        offset_dims=(0,), collapsed_slice_dims=(1,), start_index_map=(1,)
    )
    return lax.gather(
        rows,
        index[..., None],
        numbers,
        slice_sizes=(rows.shape[0], 1),
        mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )


def _pixel_tables(
    beam: ParallelBeam, dtype: jax.typing.DTypeLike
) -> tuple[Split, Split]:
    """Parts of the detector position due to a pixel's row and to its column.

    Returns:
        Tables `[angles, size, 1]` and `[angles, 1, size]`; their sum counts from
        the padding detector.
    """
    offset = np.arange(beam.size) - beam.size // 2
    centre = beam.num_detectors // 2 + 1
    cos, sin = (part(beam.angles)[:, None, None] for part in (np.cos, np.sin))
    column = split(cos * offset + centre, dtype)
    return split(-sin * offset[:, None], dtype), column

"""Radon transform of a square image and its exact transpose.

The projection of angle `t` at detector offset `u` is the sum of image samples
on a grid of unit steps `v` along the ray: column `u cos t + v sin t + c`, row
`-u sin t + v cos t + c` with `c = size // 2`, read by bilinear interpolation
with zeros outside the image, and both `u` and `v` running over
`k - num_detectors // 2`. This is scikit-image's rotate-and-sum, without the
rotated image: it approximates the line integral of Kak & Slaney (1988),
"Principles of Computerized Tomographic Imaging", chapter 3, eq. 1 to 3.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Real

from sisr_jax.tomography.geometry import ParallelBeam, Split, as_sinogram, join, split
from sisr_jax.types import Sinogram, SquarePlane

# Zeros around the image. Two, so that an index clipped into the ring finds
# zeros in both neighbours of the interpolation.
_RING = 2

# Ray samples added up before their sum joins the total: keeps the rounding error
# of a float32 sum of a thousand terms to that of about sixty.
_BLOCK = 32


def radon(
    image: Real[Array | np.ndarray, "*batch height width"], beam: ParallelBeam
) -> Sinogram:
    """Projects images along the rays of a beam.

    Linear in the image. Unlike scikit-image it never rescales integer images.

    Args:
        image: Square planes of side `beam.size`, any unit; float64 stays
            float64, everything else is computed in float32.
        beam: The rays.

    Returns:
        Line integrals, in the unit of the image times pixels.

    Raises:
        ValueError: If the image is not square or not of the beam's size.
    """
    image = jnp.asarray(image)
    if image.shape[-2:] != (beam.size, beam.size):
        raise ValueError(
            f"image of shape {image.shape}: expected [..., {beam.size}, {beam.size}]"
        )
    image = image.astype(jnp.promote_types(image.dtype, jnp.float32))
    return _project(image, beam)


def back_project(
    sinogram: Real[Array | np.ndarray, "*batch angles detectors"], beam: ParallelBeam
) -> SquarePlane:
    """Smears projections back over the image: the exact transpose of `radon`.

    It is derived from `radon` by transposition, so `<radon(x), y>` equals
    `<x, back_project(y)>` to rounding. It is not what `fbp` without a filter
    does: that interpolates the detector once for each pixel and weights the
    views.

    Args:
        sinogram: Values for every ray of the beam; float64 stays float64,
            everything else is computed in float32.
        beam: The rays.

    Returns:
        Unweighted sums over the views, in the unit of the sinogram.

    Raises:
        ValueError: If the sinogram does not have the beam's shape.
    """
    return _transpose(as_sinogram(sinogram, beam), beam)


@functools.partial(jax.jit, static_argnames="beam")
def _project(
    image: Float[Array, "*batch size size"], beam: ParallelBeam
) -> Float[Array, "*batch angles detectors"]:
    """Adds up one sample of every ray at a time, over all angles at once.

    Sums along the loop, not within an array, since XLA:CPU fuses and vectorises
    an interpolation into an accumulation but not into a reduction: ten times
    faster, and nothing larger than the sinogram is ever stored.
    """
    side = beam.size + 2 * _RING
    planes = image.reshape(-1, beam.size, beam.size)
    ring = ((0, 0), (_RING, _RING), (_RING, _RING))
    pixels = jnp.pad(planes, ring).reshape(-1, side * side)
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

    zeros = jnp.zeros((len(planes), beam.num_angles, beam.num_detectors), image.dtype)

    def add_block(
        total: Float[Array, "planes angles detectors"], block: tuple[Split, Split]
    ) -> tuple[Float[Array, "planes angles detectors"], None]:
        return total + lax.scan(add_sample, zeros, block)[0], None

    sinogram = lax.scan(add_block, zeros, along)[0]
    return sinogram.reshape(*image.shape[:-2], beam.num_angles, beam.num_detectors)


@functools.partial(jax.jit, static_argnames="beam")
def _transpose(
    sinogram: Float[Array, "*batch angles detectors"], beam: ParallelBeam
) -> Float[Array, "*batch size size"]:
    # Reverse mode and not `jax.linear_transpose`, which jax 0.7 cannot do to a
    # scan. The projection of the zeros is dead code to the compiler.
    zeros = jnp.zeros((*sinogram.shape[:-2], beam.size, beam.size), sinogram.dtype)
    return jax.vjp(lambda image: _project(image, beam), zeros)[1](sinogram)[0]


def _ray_tables(
    beam: ParallelBeam, dtype: jax.typing.DTypeLike
) -> tuple[tuple[Split, Split], tuple[Split, Split]]:
    """Rows and columns of the samples, in the coordinates of the ringed image.

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
    origin = beam.size // 2 + _RING
    across = split(origin - sin * u, dtype), split(origin + cos * u, dtype)
    return across, (split(v * cos, dtype), split(v * sin, dtype))


def _interpolate(
    pixels: Float[Array, "planes pixels"],
    row: tuple[Int[Array, "angles detectors"], Float[Array, "angles detectors"]],
    column: tuple[Int[Array, "angles detectors"], Float[Array, "angles detectors"]],
    side: int,
) -> Float[Array, "planes angles detectors"]:
    """Bilinear samples of ringed images stored as rows of `side` pixels."""
    (top, down), (left, right) = row, column
    last = side - _RING
    corner = jnp.clip(top, 0, last) * side + jnp.clip(left, 0, last)
    upper = (1 - right) * take(pixels, corner) + right * take(pixels, corner + 1)
    corner += side
    lower = (1 - right) * take(pixels, corner) + right * take(pixels, corner + 1)
    return (1 - down) * upper + down * lower


def take(
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

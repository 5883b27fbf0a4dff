"""Filtered back-projection with the numerics of scikit-image's `iradon`.

Each view is filtered along the detectors (Kak & Slaney 1988, chapter 3, eq. 61
for the ramp; see `filters`) and read by linear interpolation at the place where
every pixel projects to: `(column - c) cos t - (row - c) sin t` from the central
detector, `c = size // 2`. A pixel that projects outside the row of detectors
gets nothing from that view. Every view has the weight `pi / (2 * num_angles)`,
whatever the angles are, so views of a limited arc are scaled as if they covered
180 degrees.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Real

from sisr_jax.tomography.filters import convolution
from sisr_jax.tomography.geometry import ParallelBeam, Split, as_sinogram, join, split
from sisr_jax.tomography.radon import take
from sisr_jax.types import SquarePlane


def fbp(
    sinogram: Real[Array | np.ndarray, "*batch angles detectors"],
    beam: ParallelBeam,
    filter_name: str | None = "ramp",
) -> SquarePlane:
    """Reconstructs images from their projections.

    Args:
        sinogram: Line integrals for every ray of the beam; float64 stays
            float64, everything else is computed in float32.
        beam: The rays.
        filter_name: `ramp`, `shepp-logan`, `cosine`, `hamming` or `hann`; None
            back-projects the views as they are.

    Returns:
        Images, in the unit of the sinogram per pixel.

    Raises:
        ValueError: If the sinogram does not have the beam's shape or the filter
            is unknown.
    """
    sinogram = as_sinogram(sinogram, beam)
    if filter_name is not None:
        sinogram = _filter(sinogram, filter_name)
    return _smear(sinogram, beam)


def _filter(
    sinogram: Float[Array, "*batch angles detectors"], filter_name: str
) -> Float[Array, "*batch angles detectors"]:
    """Convolves every view with the impulse response of the filter.

    One matrix for all views. A view has few detectors, so this is cheaper than
    it looks, and a matrix product splits over devices along the batch, where
    the compiler would gather a batch to transform it (FFT) on each of them.
    """
    matrix = jnp.asarray(convolution(filter_name, sinogram.shape[-1]), sinogram.dtype)
    # A TPU would round the factors to bfloat16 otherwise.
    return jnp.matmul(sinogram, matrix, precision=lax.Precision.HIGHEST)


@functools.partial(jax.jit, static_argnames="beam")
def _smear(
    views: Float[Array, "*batch angles detectors"], beam: ParallelBeam
) -> Float[Array, "*batch size size"]:
    """Interpolates one view after the other into a running image."""
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
        value = weight * take(here, place) + beyond * take(after, place)
        return image + value, None

    zeros = jnp.zeros((planes.shape[1], beam.size, beam.size), views.dtype)
    steps = (here, after, *_pixel_tables(beam, views.dtype))
    image = lax.scan(add_view, zeros, steps)[0] * (math.pi / (2 * beam.num_angles))
    return image.reshape(*views.shape[:-2], beam.size, beam.size)


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

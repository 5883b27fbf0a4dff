"""Filtered back-projection.

Each view is filtered along the detectors (Kak & Slaney 1988, chapter 3, eq. 61
for the ramp; see `filters`), read by linear interpolation at the place where
every pixel projects to, and added with the weight of the view: half of the angle
that it stands for, in radians, since a line is seen from both of its ends.

With `method="reference"` and `weights="uniform"` the numerics are those of
scikit-image's `iradon`; `reference` and `linogram` tell how the two read a view.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Real

from sisr_jax.tomography import linogram, reference
from sisr_jax.tomography.filters import impulse_response
from sisr_jax.tomography.geometry import ParallelBeam, as_sinogram
from sisr_jax.tomography.planning import PlannedBeam
from sisr_jax.tomography.radon import Method, is_reference, with_plan, without_plan
from sisr_jax.tomography.weights import Weights, angular_weights
from sisr_jax.types import SquarePlane


def fbp(
    sinogram: Real[Array | np.ndarray, "*batch angles detectors"],
    beam: ParallelBeam | PlannedBeam,
    *,
    filter_name: str | None = "ramp",
    method: Method = "matmul",
    weights: Weights | Float[Array | np.ndarray, "*batch_or_none angles"] = "gaps",
) -> SquarePlane:
    """Reconstructs images from their projections.

    Args:
        sinogram: Line integrals for every ray of the beam; float64 stays
            float64, everything else is computed in float32.
        beam: The rays, see `radon`.
        filter_name: `ramp`, `shepp-logan`, `cosine`, `hamming` or `hann`; None
            back-projects the views as they are.
        method: How views are read, `matmul` or `reference`.
        weights: The angle that each view stands for: by the `gaps` to its
            neighbours, `uniform`, or an array in radians (0 leaves a view out),
            see `angular_weights`.

    Returns:
        Images, in the unit of the sinogram per pixel.

    Raises:
        ValueError: If the sinogram does not have the beam's shape or the filter,
            the method or the weights are unknown.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.tomography import ParallelBeam, fbp, radon
        >>> beam = ParallelBeam(size=16, num_angles=24)
        >>> at = np.arange(16) - 8
        >>> disc = 1.0 * (np.hypot(at[:, None], at) < 5)
        >>> image = fbp(radon(disc, beam), beam)
        >>> print(f"{image[6:11, 6:11].mean():.2f}")  # inside
        1.00
    """
    rays = without_plan(beam)
    sinogram = as_sinogram(sinogram, rays)
    if isinstance(weights, str):
        weights = angular_weights(rays, weights=weights)
    views = sinogram * jnp.asarray(weights / 2, sinogram.dtype)[..., None]
    if filter_name is not None:
        views = filtered(views, impulse_response(filter_name, rays.num_detectors))
    if is_reference(method):
        return reference.back_project_pixel_driven(views, rays)
    return linogram.back_project_pixel_driven(views, with_plan(beam, views))


def filtered(
    sinogram: Float[Array, "*batch angles detectors"],
    impulse: Float[np.ndarray, " detectors"],
) -> Float[Array, "*batch angles detectors"]:
    """Convolves every view with a symmetric impulse response.

    One matrix for all views. A view has few detectors, so this is cheaper than
    it looks, and a matrix product splits over devices along the batch, where
    the compiler would gather a batch to transform it (FFT) on each of them.
    """
    matrix = _toeplitz(jnp.asarray(impulse, sinogram.dtype))
    # A TPU would round the factors to bfloat16 otherwise.
    return jnp.matmul(sinogram, matrix, precision=lax.Precision.HIGHEST)


def _toeplitz(
    impulse: Float[Array, " detectors"],
) -> Float[Array, "detectors detectors"]:
    """Symmetric matrix with `impulse[|row - column|]`.

    Rows that each start one element earlier in a repeated sequence: the program
    holds a vector and not a matrix of constants, and no gather.
    """
    size = len(impulse)
    period = jnp.concatenate([impulse, jnp.flip(impulse[1:])])
    rows = jnp.tile(period, size)[: size * (len(period) - 1)]
    return rows.reshape(size, -1)[:, :size] if size > 1 else period[:, None]

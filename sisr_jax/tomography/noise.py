"""Noise of a scan at low dose.

A detector counts photons: of `photons` sent along a ray with attenuation line
integral `p`, about `photons * exp(-p)` arrive, Poisson distributed, and the
electronics add a Gaussian error. The scanner takes the logarithm of what it counted
(Elbakri and Fessler 2002, IEEE Trans. Med. Imaging 21, 89; section II).
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sisr_jax.explicit_meshes import placed_alike
from sisr_jax.reals import as_real
from sisr_jax.types import Key

# Attenuation of water at 70 keV, about the mean energy of a 120 kVp scan, in 1/mm
# (Hubbell and Seltzer 1995, NISTIR 5632).
WATER_PER_MM = 0.0193

# Fewer counts than this are read as this: the logarithm of none is infinite.
_FEWEST_COUNTS = 0.5
# From so many expected counts on they are drawn as normal: the skewness is below 0.004,
# and `jax.random.poisson` counts in int32 and rejects in float32, which tells on its
# variance from some millions on.
_MANY_COUNTS = 1e5


def attenuation_from_hu(
    hu: Float[Array | np.ndarray, "..."], *, pixel_mm: float
) -> Float[Array, "..."]:
    """Attenuation of one pixel's width of tissue, never negative.

    Args:
        hu: Hounsfield units, `1000 (mu / mu_water - 1)`.
        pixel_mm: Width of a pixel in mm.

    Returns:
        Dimensionless: projecting it with `radon` gives attenuation line integrals.
    """
    return jnp.maximum(1 + jnp.asarray(hu) / 1000, 0) * (WATER_PER_MM * pixel_mm)


def hu_from_attenuation(
    attenuation: Float[Array, "..."], *, pixel_mm: float
) -> Float[Array, "..."]:
    """Inverse of `attenuation_from_hu` above -1000 HU."""
    return 1000 * (attenuation / (WATER_PER_MM * pixel_mm) - 1)


def low_dose(
    key: Key,
    sinogram: Float[Array, "..."],
    *,
    photons: float | Float[Array, ""],
    electronic_noise: float = 0.0,
) -> Float[Array, "..."]:
    """Replaces line integrals by what a scan at low dose measures.

    Not differentiable: counts are integers. From 1e5 expected counts on they are
    normal, with the same mean and variance.

    Args:
        key: Randomness.
        sinogram: Attenuation line integrals, dimensionless.
        photons: Photons sent along every ray; 1e6 is a normal dose, 1e4 very low.
        electronic_noise: Standard deviation of the electronics, in photons.

    Returns:
        Noisy line integrals, at most `log(photons / 0.5)`.

    Raises:
        ValueError: If `photons` is a number that is not positive and finite, or
            `electronic_noise` is negative.
    """
    is_number = not isinstance(photons, jax.Array)
    is_wrong = is_number and not 0 < photons < math.inf
    if is_wrong or not 0 <= electronic_noise < math.inf:
        raise ValueError(
            f"photons = {photons}, electronic_noise = {electronic_noise}: expected "
            "photons > 0 and electronic_noise >= 0, both finite"
        )
    sinogram = as_real(sinogram, "sinogram")
    measured = functools.partial(_measured, electronic_noise=electronic_noise)
    return placed_alike(measured, sinogram, key, photons)


def _measured(
    sinogram: Float[Array, "..."],
    key: Key,
    photons: float | Float[Array, ""],
    *,
    electronic_noise: float,
) -> Float[Array, "..."]:
    dtype = sinogram.dtype
    count_key, error_key = jax.random.split(key)
    expected = photons * jnp.exp(-sinogram)
    few = jnp.minimum(expected, _MANY_COUNTS)
    counts = jax.random.poisson(count_key, few).astype(dtype)
    error = jax.random.normal(error_key, sinogram.shape, dtype)
    counts = jnp.maximum(counts + electronic_noise * error, _FEWEST_COUNTS)
    # One normal number is the sum of both errors. The sinogram is not recomputed from
    # counts, whose last digits float32 does not have.
    deviation = jnp.sqrt(1 + electronic_noise**2 / expected) / jnp.sqrt(expected)
    change = jnp.maximum(deviation * error, _FEWEST_COUNTS / expected - 1)
    is_many = expected >= _MANY_COUNTS
    return jnp.where(
        is_many,
        sinogram - jnp.log1p(jnp.where(is_many, change, 0)),
        jnp.log(photons / counts),
    )

"""Strength and texture of noise in uniform regions, and how far their mean is off."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Real

from sisr_jax.geometries import whole_number
from sisr_jax.metrics.deviations import deviations
from sisr_jax.metrics.frequency import check_pixel
from sisr_jax.reals import as_real


class Bias(NamedTuple):
    """A mean difference and how sure it is.

    Attributes:
        mean: `[*batch]`.
        standard_error: `[*batch]`; NaN of a single region.
    """

    mean: Float[Array, "*batch"]
    standard_error: Float[Array, "*batch"]


def noise_power_spectrum(
    regions: Real[Array | np.ndarray, "*batch regions height width"],
    *,
    pixel_mm: int | float,
    degree: int = 2,
) -> Float[Array, "*batch height width"]:
    """Two-dimensional noise power spectrum of uniform regions.

    `pixel_mm^2 / (height * width) <|DFT(region - polynomial)|^2>`, the mean of all
    regions (Siewerdsen, Cunningham and Jaffray, "A framework for noise-power spectrum
    analysis of multidimensional images", Med. Phys. 29, 2655, 2002; ICRU report 87,
    2012). Its sum times the area `1 / (height * width * pixel_mm^2)` of a sample is the
    mean square of what the polynomial leaves, by Parseval.

    The polynomial takes slow changes away, which are no noise, and some of the noise of
    the lowest frequencies: `(degree + 1) (degree + 2) / 2` of `height * width` degrees
    of freedom, which are not made up for.

    Args:
        regions: Squares of uniform objects, `[*batch, regions, height, width]`: HU or
            any other unit. Differences of two scans have twice the power of one.
        pixel_mm: Width of a pixel in mm.
        degree: Of the polynomial in rows and columns that is fitted to each region and
            subtracted: 0 the mean, 1 a plane, 2 a curved surface.

    Returns:
        `[*batch, height, width]`, in HU^2 mm^2 for regions in HU, frequencies in the
        order of `fft2`; `radial_mean` averages it over directions.

    Raises:
        ValueError: If the regions have fewer than three axes or are too small for the
            degree, the degree is below 0 or the width of a pixel is not positive.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import noise_power_spectrum
        >>> white = np.random.default_rng(0).normal(0, 20, (64, 16, 16))  # in HU
        >>> spectrum = noise_power_spectrum(white, pixel_mm=0.5, degree=0)
        >>> print(f"{spectrum.mean():.0f}")  # 20^2 * 0.5^2 and their noise
        99
    """
    check_pixel(pixel_mm)
    _check_regions(regions)
    height, width = regions.shape[-2:]
    degree = whole_number("degree", degree, "powers")
    if not 0 <= degree < min(height, width):
        raise ValueError(
            f"degree = {degree}: expected at least 0 and less than the "
            f"{height} x {width} pixels of a region"
        )
    left = _detrended(as_real(regions, "regions", jnp.float32), degree)
    power = jnp.square(jnp.abs(jnp.fft.fft2(left)))
    return jnp.mean(power, axis=-3) * (pixel_mm**2 / (height * width))


def regional_bias(
    regions: Real[Array | np.ndarray, "*batch regions height width"],
    references: Real[Array | np.ndarray, "..."],
) -> Bias:
    """Mean of uniform regions minus that of their references, with its standard error.

    The region is the unit: pixels of one share their noise, so the standard error is
    the deviation between regions over the root of their number.

    Args:
        regions: `[*batch, regions, height, width]`, in HU or any other unit. They count
            as independent: regions of one slice, which share its errors, are better
            averaged first.
        references: Same shape.

    Returns:
        Mean and standard error, `[*batch]`, in the unit of the regions.

    Raises:
        ValueError: If the shapes differ or have fewer than three axes.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import regional_bias
        >>> truth = np.zeros((2, 8, 8))
        >>> found = regional_bias(truth + np.array([4.0, 6.0])[:, None, None], truth)
        >>> print(found.mean, found.standard_error)
        5.0 1.0
    """
    if regions.shape != references.shape:
        raise ValueError(
            f"regions {regions.shape}, references {references.shape}: expected equal "
            "shapes"
        )
    _check_regions(regions)
    difference = as_real(regions, "regions", jnp.float32) - as_real(
        references, "references", jnp.float32
    )
    each = jnp.mean(difference, axis=(-2, -1))
    count = each.shape[-1]
    mean = jnp.mean(each, axis=-1)
    squares = jnp.sum(jnp.square(each - mean[..., None]), axis=-1)
    degrees = count - 1 if count > 1 else math.nan
    return Bias(mean, jnp.sqrt(squares / (degrees * count)))


def _check_regions(regions: Array | np.ndarray) -> None:
    if regions.ndim < 3:
        raise ValueError(
            f"regions of shape {regions.shape}: expected [*batch, regions, height, "
            "width]"
        )


def _detrended(regions: Array, degree: int) -> Array:
    """Regions without the polynomial that is nearest to each."""
    height, width = regions.shape[-2:]
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    terms = [
        np.ravel(rows**i * columns**j)
        for i in range(degree + 1)
        for j in range(degree + 1 - i)
    ]
    basis = jnp.asarray(np.linalg.qr(np.stack(terms, -1))[0], jnp.float32)
    # The mean first: next to it, float32 would have few digits for the noise.
    flat, _ = deviations(regions, (-2, -1))
    flat = flat.reshape(*regions.shape[:-2], height * width)
    # A TPU would round the factors to bfloat16 otherwise.
    precise = lax.Precision.HIGHEST
    fit = jnp.einsum("...n,nk->...k", flat, basis, precision=precise)
    trend = jnp.einsum("...k,nk->...n", fit, basis, precision=precise)
    return (flat - trend).reshape(regions.shape)

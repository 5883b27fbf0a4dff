"""Which spatial frequencies an image has kept: of a known edge, and of a reference."""

import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Real

from sisr_jax.geometries import whole_number
from sisr_jax.metrics.deviations import deviations
from sisr_jax.metrics.frequency import (
    Curve,
    FrequencyResponse,
    check_pixel,
    half_frequency,
    radial_mean,
)
from sisr_jax.reals import as_real

_FREQUENCIES = 101


def edge_response(
    image: Real[Array | np.ndarray, "*batch height width"],
    *,
    centre: tuple[int | float, int | float],
    radius: int | float,
    reach: int | float,
    pixel_mm: int | float,
    oversampling: int = 8,
) -> FrequencyResponse:
    """Task transfer function of the edge of a disc.

    Values by their distance to the centre, averaged in rings of `1 / oversampling`
    pixels, are the edge spread function; its differences are the line spread function,
    whose Fourier transform, 1 at frequency 0, is the transfer function (Richard,
    Husarik, Yadava, Murphy and Samei, "Towards task-based assessment of CT
    performance", Med. Phys. 39, 4115, 2012). The blur of the rings and of the
    differences, `sinc(f / oversampling)` each for f in cycles/pixel, is divided out. A
    taper, flat over the inner half of the reach and a cosine from there on, keeps the
    noise of the plateaus out; a blur of a deviation of more than a quarter of the reach
    looks sharper than it is.

    Up to the Nyquist frequency it is right to 0.01; towards twice that, where the
    pattern of the pixels in the rings shows, to 0.03. The edge is taken for straight,
    which holds for a radius of many deviations of the blur. The width of a pixel
    belongs to the result, if the disc was drawn with it. A method that is not linear
    has another response at another contrast and noise, hence "task"; noise is averaged
    by handing in a mean over scans.

    Args:
        image: `[*batch, height, width]`, any unit, a uniform disc on a uniform
            background.
        centre: Row and column of the centre of the disc, in pixels, `(0, 0)` for the
            middle of the first.
        radius: Of the disc in pixels.
        reach: Pixels inside and outside the edge that are looked at.
        pixel_mm: Width of a pixel in mm.
        oversampling: Rings for a pixel.

    Returns:
        The response at 101 frequencies from 0 to `1 / pixel_mm`, twice the Nyquist
        frequency. NaN of an image without an edge.

    Raises:
        TypeError: If `oversampling` is no whole number.
        ValueError: If the rings leave the image or contain the centre, one has no
            pixel, or the width of a pixel is not positive.

    Examples:
        >>> import numpy as np
        >>> from scipy.special import erf
        >>> from sisr_jax.metrics import edge_response
        >>> distance = np.hypot(np.arange(64)[:, None] - 32, np.arange(64) - 32)
        >>> disc = (1 - erf((distance - 21) / (1.5 * 2**0.5))) / 2  # deviation 1.5 mm
        >>> found = edge_response(
        ...     disc, centre=(32, 32), radius=21, reach=8, pixel_mm=1.0, oversampling=4
        ... )
        >>> print(f"{found.f50:.3f}")  # of a Gaussian 0.1874 / 1.5
        0.124
    """
    check_pixel(pixel_mm)
    oversampling = whole_number("oversampling", oversampling, "rings", least=1)
    height, width = image.shape[-2:]
    outer = radius + reach
    row, column = centre
    if not 0 < reach < radius:
        raise ValueError(
            f"reach = {reach}, radius = {radius}: expected 0 < reach < radius"
        )
    if min(row, column, height - 1 - row, width - 1 - column) < outer:
        raise ValueError(
            f"centre = {centre}, radius + reach = {outer}: expected inside the image "
            f"of {height} x {width} pixels"
        )
    distance = np.hypot(np.arange(height)[:, None] - row, np.arange(width) - column)
    num_rings = math.floor(2 * reach * oversampling)
    ring = np.floor((distance - (radius - reach)) * oversampling).astype(int)
    inside = (ring >= 0) & (ring < num_rings)
    counts = np.bincount(ring[inside], minlength=num_rings)
    if num_rings < 2 or not counts.all():
        raise ValueError(
            f"radius = {radius}, reach = {reach}, oversampling = {oversampling}: "
            "expected 2 rings or more, each with a pixel"
        )
    values, _ = deviations(as_real(image, "image", jnp.float32)[..., inside], -1)
    sums = jnp.zeros((*values.shape[:-1], num_rings), jnp.float32)
    spread = sums.at[..., ring[inside]].add(values) / jnp.asarray(counts)
    place = (np.arange(1, num_rings) / oversampling - reach) / reach
    taper = np.cos(np.pi / 2 * np.clip(2 * np.abs(place) - 1, 0, 1)) ** 2
    line = jnp.diff(spread, axis=-1) * jnp.asarray(taper, jnp.float32)
    per_pixel = np.linspace(0.0, 1.0, _FREQUENCIES)
    waves = np.exp(-2j * np.pi * np.outer(place * reach, per_pixel))
    waves /= np.sinc(per_pixel / oversampling) ** 2
    waves = jnp.asarray(waves, jnp.complex64)
    # A TPU would round the factors to bfloat16 otherwise.
    precise = lax.Precision.HIGHEST
    spectrum = jnp.abs(jnp.einsum("...n,nf->...f", line, waves, precision=precise))
    frequencies = jnp.asarray(per_pixel / pixel_mm, jnp.float32)
    return _response(Curve(frequencies, spectrum / spectrum[..., :1]))


def spectral_transfer(
    images: Real[Array | np.ndarray, "*batch slices height width"],
    references: Real[Array | np.ndarray, "..."],
    *,
    pixel_mm: int | float,
    num_bins: int,
) -> FrequencyResponse:
    """What images have kept of their references, frequency by frequency.

    `T(f) = |<R conj(X)>| / <|X|^2>` with the Fourier transforms R of an image and X of
    its reference, each without its mean and under a Hann window, averaged over slices
    and directions: the gain of the linear filter that is nearest to what was done
    (Bendat and Piersol, "Random Data", 4th ed. 2010). Noise that has nothing
    to do with the reference averages out. Noise of the reference itself counts as
    structure: a method that does not reproduce it has a lower T. Where strong edges
    dominate the power, T is theirs.

    Args:
        images: `[*batch, slices, height, width]`, any unit.
        references: Same shape and unit.
        pixel_mm: Width of a pixel in mm.
        num_bins: See `radial_mean`.

    Returns:
        The response from above 0 to the Nyquist frequency; NaN where the reference has
        no power.

    Raises:
        ValueError: If the shapes differ, or as in `radial_mean`.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import spectral_transfer
        >>> truth = np.random.default_rng(0).normal(size=(4, 16, 16))
        >>> found = spectral_transfer(0.8 * truth, truth, pixel_mm=1.0, num_bins=4)
        >>> print(np.asarray(found.transfer).round(3))
        [0.8 0.8 0.8 0.8]
    """
    if images.shape != references.shape:
        raise ValueError(
            f"images {images.shape}, references {references.shape}: expected equal "
            "shapes"
        )
    image, reference = _windowed_spectrum(images), _windowed_spectrum(references)
    cross = jnp.mean(image * jnp.conj(reference), axis=-3)
    power = jnp.mean(jnp.square(jnp.abs(reference)), axis=-3)
    options = {"pixel_mm": pixel_mm, "num_bins": num_bins}
    frequencies, along = radial_mean(cross, **options)
    _, whole = radial_mean(power, **options)
    return _response(Curve(frequencies, jnp.abs(along) / whole))


def _windowed_spectrum(planes: Real[Array | np.ndarray, "..."]) -> Array:
    planes, _ = deviations(as_real(planes, "planes", jnp.float32), (-2, -1))
    # Half a pixel from the ends, where the window is 0, no pixel is lost.
    rows, columns = (
        np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in planes.shape[-2:]
    )
    window = jnp.asarray(np.outer(rows, columns), jnp.float32)
    return jnp.fft.fft2(planes * window)


def _response(curve: Curve) -> FrequencyResponse:
    frequencies, transfer = map(jnp.asarray, curve)
    return FrequencyResponse(frequencies, transfer, half_frequency(curve))

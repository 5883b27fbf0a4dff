"""Curves over spatial frequency, in cycles per mm."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from sisr_jax.geometries import whole_number
from sisr_jax.reals import as_array


class Curve(NamedTuple):
    """Values at spatial frequencies.

    Attributes:
        frequencies: `[bins]`, in cycles/mm, rising.
        values: `[*batch, bins]`.
    """

    frequencies: Float[Array | np.ndarray, " bins"]
    values: Num[Array | np.ndarray, "*batch bins"]


class FrequencyResponse(NamedTuple):
    """How much of a contrast is left at each spatial frequency.

    Attributes:
        frequencies: `[bins]`, in cycles/mm, rising.
        transfer: `[*batch, bins]`; 1 where a contrast is kept.
        f50: `[*batch]`, in cycles/mm, where half of it is left, see `half_frequency`.
    """

    frequencies: Float[Array, " bins"]
    transfer: Float[Array, "*batch bins"]
    f50: Float[Array, "*batch"]


def radial_mean(
    spectrum: Num[Array | np.ndarray, "*batch height width"],
    *,
    pixel_mm: int | float,
    num_bins: int,
) -> Curve:
    """Averages a spectrum over directions.

    Bins of equal width reach up to the Nyquist frequency `1 / (2 pixel_mm)` of rows and
    columns; the corners beyond it are left out, and so is the frequency 0, which is no
    structure. A bin stands at the mean frequency of its samples.

    Args:
        spectrum: `[*batch, height, width]`, frequencies in the order of `fft2`; real or
            complex, any unit.
        pixel_mm: Width of a pixel in mm.
        num_bins: At most as many as leave none without a sample: half of the shorter
            side always does.

    Returns:
        Frequencies and means, in the unit of the spectrum.

    Raises:
        ValueError: If a bin has no sample, or the width of a pixel is not positive.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import radial_mean
        >>> found = radial_mean(np.ones((16, 16)), pixel_mm=0.5, num_bins=4)
        >>> print(np.asarray(found.frequencies).round(2), found.values)
        [0.18 0.39 0.63 0.87] [1. 1. 1. 1.]
    """
    check_pixel(pixel_mm)
    num_bins = whole_number("num_bins", num_bins, "bins")
    height, width = spectrum.shape[-2:]
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)
    frequency = np.hypot(rows, columns).ravel()
    place = np.ceil(2 * num_bins * frequency - 1e-9).astype(int)
    # 0 is below the first bin, the corners are beyond the last.
    inside = (place >= 1) & (place <= num_bins)
    place, frequency = place[inside] - 1, frequency[inside]
    counts = np.bincount(place, minlength=num_bins)
    if num_bins < 1 or not counts.all():
        raise ValueError(
            f"num_bins = {num_bins}: expected 1 or more, each with a frequency of "
            f"{height} x {width} pixels"
        )
    spectrum = as_array(spectrum, "spectrum")
    # Sums of half precision would overflow.
    spectrum = spectrum.astype(jnp.promote_types(spectrum.dtype, jnp.float32))
    samples = spectrum.reshape(*spectrum.shape[:-2], height * width)[..., inside]
    sums = jnp.zeros((*samples.shape[:-1], num_bins), samples.dtype)
    sums = sums.at[..., place].add(samples)
    means = np.bincount(place, frequency) / counts / pixel_mm
    return Curve(jnp.asarray(means, jnp.float32), sums / jnp.asarray(counts))


def mean_frequency(curve: Curve) -> Float[Array, "*batch"]:
    """Mean frequency of a power spectrum, weighted by the power at each frequency.

    `sum f P(f) / sum P(f)` of the radial mean (AAPM report 233, 2019: the average
    frequency of noise): low for coarse noise, high for fine noise. White noise, which
    reaches up to the Nyquist frequency, has half of it.

    Args:
        curve: Power, at least 0, over bins of equal width, see `radial_mean`.

    Returns:
        `[*batch]`, in cycles/mm; NaN without any power.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import Curve, mean_frequency
        >>> print(mean_frequency(Curve(np.array([0.25, 0.5, 0.75]), np.ones(3))))
        0.5
    """
    weighted = jnp.sum(curve.frequencies * curve.values, axis=-1)
    return weighted / jnp.sum(curve.values, axis=-1)


def half_frequency(curve: Curve) -> Float[Array, "*batch"]:
    """Lowest frequency at which a curve falls to a half, between its samples linearly.

    Args:
        curve: Shares, about 1 at its first frequency.

    Returns:
        `[*batch]`, in cycles/mm; infinite if the curve stays above a half as far as it
        goes, NaN if it begins below or is NaN anywhere before.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import Curve, half_frequency
        >>> frequencies = np.array([0.0, 0.25, 0.75, 1.0])
        >>> print(half_frequency(Curve(frequencies, 1 - frequencies)))
        0.5
    """
    frequencies, values = map(jnp.asarray, curve)
    above = values >= 0.5
    after = jnp.argmin(above, axis=-1, keepdims=True)  # the first that is not
    before = jnp.maximum(after - 1, 0)
    high, low = (jnp.take_along_axis(values, i, axis=-1) for i in (before, after))
    start, end = frequencies[before], frequencies[after]
    share = (high - 0.5) / jnp.where(high == low, 1.0, high - low)
    found = jnp.where(after == 0, jnp.nan, start + share * (end - start))
    return jnp.where(above.all(-1), jnp.inf, found[..., 0])


def check_pixel(pixel_mm: int | float) -> None:
    """Refuses a width that no pixel has.

    Raises:
        ValueError: If it is not positive and finite.
    """
    if not 0 < pixel_mm < float("inf"):
        raise ValueError(f"pixel_mm = {pixel_mm}: expected more than 0 mm")

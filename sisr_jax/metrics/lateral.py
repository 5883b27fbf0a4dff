"""What an image resolves across its lines: autocovariance and spectrum of the rows."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from sisr_jax.metrics.deviations import deviations
from sisr_jax.metrics.frequency import Curve
from sisr_jax.metrics.inputs import AnyImage, Mask, as_image, mask_for
from sisr_jax.reals import as_real

_AXES = (-3, -2, -1)
# Levels of the autocovariance at which widths are read.
_HALF = 0.5


def lateral_width(image: AnyImage, mask: Mask) -> Float[Array, "*batch"]:
    """Full width at half maximum of the autocovariance along rows, in columns.

    The size of the speckle across the lines, which is the lateral resolution of fully
    developed speckle (Wagner et al., IEEE Trans. Sonics Ultrason. 30(3), 1983). What
    smooths an image widens it; interpolation between columns that are far apart makes
    it as wide as these are apart. Not differentiable.

    Args:
        image: Envelope, linear in amplitude, any unit.
        mask: A homogeneous region, wider than the speckle.

    Returns:
        Columns, between lags by interpolation; infinite where the autocovariance does
        not fall to half in the region, NaN for a constant or an empty one.

    Raises:
        ValueError: If the mask does not fit.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from sisr_jax.metrics import lateral_width
        >>> noise = jax.random.normal(jax.random.key(0), (64, 32, 1))
        >>> wide = jnp.repeat(noise, 4, axis=1)
        >>> round(float(lateral_width(wide, jnp.ones((64, 128), bool))))
        4
    """
    values = as_image(image)
    mask = jnp.broadcast_to(mask_for(values.shape, mask), values.shape)
    rest, _ = deviations(values, _AXES, mask)
    # Zeros on one side, so that the transform does not join the borders.
    lags = values.shape[-2]

    def correlated(planes: Array) -> Array:
        spectrum = jnp.fft.rfft(planes, 2 * lags, axis=-2)
        power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
        return jnp.fft.irfft(power, 2 * lags, axis=-2)[..., :lags, :]

    sums = jnp.sum(correlated(rest), axis=(-3, -1))
    pairs = jnp.round(jnp.sum(correlated(mask.astype(jnp.float32)), axis=(-3, -1)))
    covariance = jnp.where(pairs > 0, sums / jnp.maximum(pairs, 1), jnp.nan)
    share = covariance / covariance[..., :1]
    below = jnp.isfinite(share) & (share < _HALF)
    first = jnp.argmax(below, axis=-1, keepdims=True)
    after = jnp.take_along_axis(share, first, -1)
    before = jnp.take_along_axis(share, jnp.maximum(first - 1, 0), -1)
    place = first - 1 + (before - _HALF) / (before - after)
    width = jnp.where(jnp.any(below, axis=-1), 2 * place[..., 0], jnp.inf)
    return jnp.where(covariance[..., 0] > 0, width, jnp.nan)


def lateral_spectrum(
    image: Real[Array | np.ndarray, "*batch height width"], *, column_mm: int | float
) -> Curve:
    """Mean power of the rows of an image over the lateral frequency.

    Rows without their mean, through a Hann window; the sum over the frequencies is the
    mean square of the windowed rows.

    Args:
        image: Planes, at least 4 columns; any unit.
        column_mm: From column to column; 1 for cycles per column.

    Returns:
        Frequencies from 0 to half a cycle per column, and the power at each.

    Raises:
        ValueError: If there are fewer columns, or their distance is not positive.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.metrics import lateral_spectrum
        >>> wave = jnp.sin(2 * jnp.pi * jnp.arange(64) / 8)[None]
        >>> spectrum = lateral_spectrum(wave, column_mm=1)
        >>> float(spectrum.frequencies[jnp.argmax(spectrum.values)])
        0.125
    """
    columns = image.shape[-1]
    if columns < 4:
        raise ValueError(f"image of shape {image.shape}: expected 4 columns or more")
    if not column_mm > 0:
        raise ValueError(f"column_mm = {column_mm}: expected more than 0 mm")
    planes, _ = deviations(as_real(image, "image", jnp.float32), -1)
    window = jnp.asarray(np.hanning(columns + 2)[1:-1], jnp.float32)
    spectrum = jnp.fft.rfft(planes * window, axis=-1) / columns
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    # All but 0 and the Nyquist frequency stand for their negatives, too.
    twice = np.full(power.shape[-1], 2.0, np.float32)
    twice[0] = 1.0
    if columns % 2 == 0:
        twice[-1] = 1.0
    frequencies = jnp.asarray(np.fft.rfftfreq(columns, column_mm), jnp.float32)
    return Curve(frequencies, jnp.mean(power * twice, axis=-2))

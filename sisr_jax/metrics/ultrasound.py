"""Metrics of regions of one ultrasound image, without a reference."""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sisr_jax.explicit_meshes import placed_alike
from sisr_jax.geometries import whole_number
from sisr_jax.metrics.deviations import deviations
from sisr_jax.metrics.inputs import AnyImage, Mask, as_image, mask_for

_AXES = (-3, -2, -1)


def speckle_snr(image: AnyImage, mask: Mask) -> Float[Array, "*batch"]:
    """Mean over standard deviation of the envelope in a region.

    Fully developed speckle has a Rayleigh envelope and `sqrt(pi / (4 - pi))`, about
    1.91, wherever it is (Burckhardt, IEEE Trans. Sonics Ultrason. 1978). Smoothing
    raises the number. It means nothing for log-compressed images.

    Args:
        image: Envelope, linear in amplitude, at least 0, any unit.
        mask: A homogeneous region.

    Returns:
        The ratio, with the population standard deviation; infinite for a constant
        region, where the gradient is 0, NaN for an empty one.

    Raises:
        ValueError: If the mask does not fit.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import speckle_snr
        >>> parts = np.random.default_rng(0).normal(size=(2, 128, 128, 1))
        >>> speckle = np.hypot(*parts)  # fully developed
        >>> print(f"{speckle_snr(speckle, np.ones((128, 128, 1), bool)):.2f}")
        1.92
    """
    envelope = as_image(image)
    mask = mask_for(envelope.shape, mask)
    rest, mean = deviations(envelope, _AXES, mask)
    variance = jnp.mean(jnp.square(rest), axis=_AXES, where=mask)
    constant = variance == 0
    deviation = jnp.sqrt(jnp.where(constant, 1.0, variance))
    return jnp.where(constant, jnp.inf, mean[..., 0, 0, 0] / deviation)


def gcnr(
    image: AnyImage, inside: Mask, outside: Mask, *, bins: int = 100
) -> Float[Array, "*batch"]:
    """Generalised contrast-to-noise ratio: 1 minus the overlap of two histograms.

    How well the best threshold tells a lesion from its surroundings: 0 for the
    same distribution, 1 for distributions that do not overlap, whatever the dynamic
    range (Rodriguez-Molares et al., IEEE TUFFC 2020). Not
    differentiable.

    The histograms share `bins` bins of equal width between the smallest and the
    largest value of both regions. Few pixels for many bins look separable: equal
    distributions with n pixels in each region give up to `sqrt(bins / (pi n))`
    instead of 0.

    Args:
        image: Any unit and any monotone compression; finite in both regions. Of a
            linear envelope a few bright pixels stretch the bins, in dB they do not.
        inside: Region of the lesion.
        outside: Region of the background.
        bins: Bins of the histograms, at least 2; comparable numbers share it.

    Returns:
        In [0, 1]; NaN where a region is empty or not finite.

    Raises:
        TypeError: If `bins` is no whole number.
        ValueError: If a mask does not fit or `bins` is below 2.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from sisr_jax.metrics import gcnr
        >>> lesion = np.zeros((16, 16, 1), bool)
        >>> lesion[:8] = True
        >>> image = np.where(lesion, 0.2, 0.8)
        >>> separable = jax.jit(gcnr)
        >>> print(separable(image, lesion, ~lesion), separable(image, lesion, lesion))
        1.0 0.0
    """
    bins = whole_number("bins", bins, "bins", least=2)
    values = as_image(image)
    inside = mask_for(values.shape, inside, "inside")
    outside = mask_for(values.shape, outside, "outside")
    separability = functools.partial(_separability, bins=bins)
    return placed_alike(separability, values, inside, outside, axes=-3)


def _separability(
    values: Array, inside: Array, outside: Array, *, bins: int
) -> Float[Array, "*batch"]:
    either = inside | outside
    low = jnp.min(values, axis=_AXES, where=either, initial=jnp.inf)
    high = jnp.max(values, axis=_AXES, where=either, initial=-jnp.inf)
    span = high - low
    width = jnp.where(span > 0, span, 1.0)[..., None, None, None] / bins
    place = jnp.floor((values - low[..., None, None, None]) / width)
    # The largest value closes the last bin.
    place = jnp.clip(place, 0, bins - 1).astype(jnp.int32)
    overlap = jnp.minimum(
        _histogram(place, inside, bins), _histogram(place, outside, bins)
    )
    ratio = 1.0 - jnp.sum(overlap, axis=-1)
    # Not from the extremes: whether those see a NaN depends on the backend.
    finite = jnp.all(jnp.isfinite(values), axis=_AXES, where=either)
    return jnp.where(finite, ratio, jnp.nan)


def _histogram(place: Array, mask: Array, bins: int) -> Float[Array, "*batch bins"]:
    """Share of the pixels of a region in each bin; NaN for no pixel."""
    weights = jnp.broadcast_to(mask, place.shape).astype(jnp.float32)
    pixels = math.prod(place.shape[-3:])

    def shares(place: Array, weights: Array) -> Array:
        counts = jnp.zeros(bins, jnp.float32).at[place].add(weights)
        return counts / jnp.sum(weights)

    each = jax.vmap(shares)(place.reshape(-1, pixels), weights.reshape(-1, pixels))
    return each.reshape(*place.shape[:-3], bins)

"""Whether an observer finds a known signal: the channelised Hotelling observer."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Real

from sisr_jax.geometries import whole_number
from sisr_jax.reals import as_real


class Detectability(NamedTuple):
    """How far apart two classes are for an observer, in deviations of its decision.

    Attributes:
        d_prime: `[*batch]`, at least 0; the area under the ROC curve is
            `Phi(d_prime / sqrt(2))`.
        standard_error: `[*batch]`; infinite where `d_prime` is 0.
    """

    d_prime: Float[Array, "*batch"]
    standard_error: Float[Array, "*batch"]


def laguerre_gauss_channels(
    shape: tuple[int, int], *, num_channels: int, width: int | float
) -> Float[Array, "channels height width"]:
    """Laguerre-Gauss channels, for signals that are round and in a known place.

    `exp(-pi r^2 / width^2) L_j(2 pi r^2 / width^2)` with the Laguerre polynomial of
    degree j = 0, 1, ..., around the middle of the patch, each of unit norm (Gallas and
    Barrett, J. Opt. Soc. Am. A 20, 1725, 2003). The first is a Gaussian of deviation
    `width / sqrt(2 pi)`.

    Args:
        shape: Height and width of a patch in pixels.
        num_channels: At least 1; 5 to 10 are usual.
        width: In pixels.

    Returns:
        `[channels, height, width]`.

    Raises:
        TypeError: If a number of channels or pixels is no whole number.
        ValueError: If there is no channel or the width is not positive.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import laguerre_gauss_channels
        >>> channels = laguerre_gauss_channels((16, 16), num_channels=2, width=6)
        >>> flat = np.asarray(channels).reshape(2, -1)
        >>> print(abs(flat @ flat.T).round(3))
        [[1. 0.]
         [0. 1.]]
    """
    num_channels = whole_number("num_channels", num_channels, "channels")
    if num_channels < 1 or not width > 0:
        raise ValueError(
            f"num_channels = {num_channels}, width = {width}: expected 1 or more and "
            "above 0"
        )
    sides = [whole_number("shape", each, "pixels") for each in shape]
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in sides)
    place = 2 * np.pi * (rows[:, None] ** 2 + columns**2) / width**2
    channels = [
        np.exp(-place / 2) * np.polynomial.laguerre.lagval(place, [0] * j + [1])
        for j in range(num_channels)
    ]
    channels = [channel / np.linalg.norm(channel) for channel in channels]
    return jnp.asarray(np.stack(channels), jnp.float32)


def hotelling_detectability(
    present: Real[Array | np.ndarray, "*batch samples height width"],
    absent: Real[Array | np.ndarray, "..."],
    *,
    channels: Real[Array | np.ndarray, "channels _ _"],
) -> Detectability:
    """Detectability of a signal by the channelised Hotelling observer.

    `d'^2 = m^T S^-1 m` with the difference m of the mean outputs of the channels and
    the mean S of both covariances (Barrett, Yao, Rolland and Myers, PNAS 90, 9758,
    1993). Few samples make this too large, and an observer that is trained on one half
    and tested on the other too small. Here no sample is set aside: for n + n' samples
    and p channels, with `v = n + n' - 2`,

        d'^2 = (v - p - 1) / v  m^T S^-1 m  -  p (1 / n + 1 / n')

    has no bias where the outputs are normal with one covariance, and its standard error
    follows from the noncentral F distribution (Wunderlich, Noo, Gallas and Heilbrun,
    IEEE Trans. Med. Imaging 34, 453, 2015). Below 0 it is cut off, so that invisible
    signals have a mean slightly above 0.

    Args:
        present: Patches with the signal in their middle, `[*batch, samples, height,
            width]`, any unit. All samples have noise of their own.
        absent: Patches of the same place without it, `[*batch, others, height, width]`.
        channels: `[channels, height, width]`, see `laguerre_gauss_channels`; of any
            scale. What of the signal none of them sees is not detected.

    Returns:
        `[*batch]`; multiples of the deviation, without a unit. NaN where noise is
        missing in a channel.

    Raises:
        ValueError: If sizes differ, or there are not at least 6 samples more than
            channels, in both classes together.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import (
        ...     hotelling_detectability,
        ...     laguerre_gauss_channels,
        ... )
        >>> channels = laguerre_gauss_channels((16, 16), num_channels=2, width=8)
        >>> noise = np.random.default_rng(0).normal(size=(2, 400, 16, 16))
        >>> present = noise[0] + 3 * channels[0]  # by three deviations of its output
        >>> found = hotelling_detectability(present, noise[1], channels=channels)
        >>> print(f"{found.d_prime:.1f} +- {found.standard_error:.1f}")
        3.0 +- 0.1
    """
    shapes = present.shape[-2:], absent.shape[-2:], channels.shape[-2:]
    if len(set(shapes)) > 1 or present.shape[:-3] != absent.shape[:-3]:
        raise ValueError(
            f"present {present.shape}, absent {absent.shape}, channels "
            f"{channels.shape}: expected equal heights and widths"
        )
    first, second = present.shape[-3], absent.shape[-3]
    number, freedom = len(channels), first + second - 2
    if freedom - number < 4 or min(first, second) < 1:
        raise ValueError(
            f"{first} and {second} samples for {number} channels: expected at least "
            f"{number + 6} in all"
        )
    # A TPU would round the factors to bfloat16 otherwise.
    precise = lax.Precision.HIGHEST
    # Next to a mean that both share, float32 would have few digits for the noise.
    middle = jnp.mean(as_real(absent, "absent", jnp.float32), axis=-3, keepdims=True)
    means, squares = [], jnp.zeros(())
    for patches in (present, absent):
        outputs = jnp.einsum(
            "...nhw,chw->...nc",
            as_real(patches, "present", jnp.float32) - middle,
            jnp.asarray(channels, jnp.float32),
            precision=precise,
        )
        mean = jnp.mean(outputs, axis=-2, keepdims=True)
        outputs -= mean
        means.append(mean[..., 0, :])
        squares += jnp.einsum("...ni,...nj->...ij", outputs, outputs, precision=precise)
    difference = means[0] - means[1]
    template = jnp.linalg.solve(squares / freedom, difference[..., None])[..., 0]
    distance = jnp.sum(difference * template, axis=-1)
    share = 1 / first + 1 / second
    below = freedom - number - 1
    squared = jnp.maximum(distance * below / freedom - number * share, 0.0)
    # Of F with p and v - p + 1 degrees of freedom, scaled as `squared` is.
    shift = squared / share
    spread = (number + shift) ** 2 + (number + 2 * shift) * below
    error = share * jnp.sqrt(2 * spread / (below - 2))
    d_prime = jnp.sqrt(squared)
    return Detectability(
        d_prime, jnp.where(squared > 0, error / (2 * d_prime), math.inf)
    )

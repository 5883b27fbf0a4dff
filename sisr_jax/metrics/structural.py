"""Structural similarity, on one scale and on five."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from sisr_jax.metrics.inputs import (
    AnyImage,
    Mask,
    as_pair,
    check_grey_levels,
    mask_for,
)

SSIM_WINDOW = 11
_SIGMA = 1.5
_K1 = 0.01
_K2 = 0.03

# Finest scale first: section 3.2 of the paper, from trials with observers.
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# The window still fits into the coarsest scale, of the size halved and rounded up.
_SMALLEST_FOR_FIVE = (SSIM_WINDOW - 1) * 2 ** (len(_SCALE_WEIGHTS) - 1) + 1


def ssim(
    a: AnyImage,
    b: AnyImage,
    *,
    data_range: int | float = 1.0,
    mask: Mask | None = None,
) -> Float[Array, "*batch"]:
    """Structural similarity (Wang et al., IEEE TIP 2004, eq. 13).

    Gaussian window of 11 x 11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03,
    population statistics; the mean is over the positions where the window fits
    into the image, then over channels, as in `tf.image.ssim` and in the
    interior of scikit-image's Gaussian-weighted map.

    Args:
        a: Image.
        b: Image of the same shape.
        data_range: Largest minus smallest possible value.
        mask: Only window positions whose centre is in it count, all if None. Their
            windows may read pixels outside it.

    Returns:
        Similarity of at most 1; 1 for equal images, NaN where no window counts.

    Raises:
        ValueError: If the shapes differ, the window does not fit or the mask does
            not, or integers are given with a range of 1.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import ssim
        >>> image = np.full((16, 16, 1), 0.5)
        >>> print(f"{ssim(image, image):.3f} {ssim(image, image + 0.1):.3f}")
        1.000 0.984
    """
    check_grey_levels(a, b, data_range)
    images = _pair_for(a, b, SSIM_WINDOW, "SSIM")
    luminance, structure = _missing(*images, data_range)
    missing = luminance + structure - luminance * structure
    if mask is not None:
        border = SSIM_WINDOW // 2
        centre = slice(border, -border)
        mask = mask_for(images[0].shape, mask)[..., centre, centre, :]
    return 1.0 - jnp.mean(missing, axis=(-3, -2, -1), where=mask)


def ms_ssim(
    a: AnyImage, b: AnyImage, *, data_range: int | float = 1.0
) -> Float[Array, "*batch"]:
    """Multi-scale structural similarity (Wang, Simoncelli, Bovik, 2003, eq. 7).

    "Multiscale structural similarity for image quality assessment", Asilomar
    2003. The product of the mean contrast-structure term at each of five scales and
    of the mean SSIM at the coarsest, to the powers 0.0448, 0.2856, 0.3001, 0.2363
    and 0.1333. From scale to scale 2 x 2 pixels are averaged; an odd last row or
    column is repeated. Windows and constants are those of `ssim`; channels are
    averaged last. This is `tf.image.ssim_multiscale`, negative means counting as 0
    as there.

    Args:
        a: Image of at least 161 x 161 pixels.
        b: Image of the same shape.
        data_range: Largest minus smallest possible value.

    Returns:
        Similarity in [0, 1]; 1 for equal images.

    Raises:
        ValueError: If the shapes differ, the images are too small, or integers are
            given with a range of 1.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import ms_ssim
        >>> image = np.full((161, 161, 1), 0.5)
        >>> print(f"{ms_ssim(image, image + 0.1):.4f}")  # 0.9836, of ssim, ** 0.1333
        0.9978
    """
    check_grey_levels(a, b, data_range)
    planes = _pair_for(a, b, _SMALLEST_FOR_FIVE, "MS-SSIM")
    similarity = jnp.ones(())
    for scale, weight in enumerate(_SCALE_WEIGHTS):
        if scale:
            planes = _half(planes[0]), _half(planes[1])
        luminance, missing = _missing(*planes, data_range)
        if scale == len(_SCALE_WEIGHTS) - 1:
            missing = luminance + missing - luminance * missing
        similarity *= _power(1.0 - jnp.mean(missing, axis=(-3, -2)), weight)
    return jnp.mean(similarity, axis=-1)


def _pair_for(
    a: AnyImage, b: AnyImage, smallest: int, name: str
) -> tuple[Array, Array]:
    images = as_pair(a, b)
    height, width = images[0].shape[-3:-1]
    if min(height, width) < smallest:
        raise ValueError(
            f"image of {height} x {width} pixels: {name} needs at least "
            f"{smallest} x {smallest}"
        )
    return images


def _half(image: Array) -> Array:
    """Means of 2 x 2 pixels."""
    odd = [(0, 0)] * (image.ndim - 3) + [(0, n % 2) for n in image.shape[-3:-1]]
    image = jnp.pad(image, [*odd, (0, 0)], mode="edge")
    height, width, channels = image.shape[-3:]
    blocks = image.reshape(*image.shape[:-3], height // 2, 2, width // 2, 2, channels)
    return jnp.mean(blocks, axis=(-4, -2))


def _power(mean: Array, weight: float) -> Array:
    """`max(mean, 0) ** weight`, with gradient 0 and not NaN below 0."""
    negative = mean <= 0
    return jnp.where(negative, 0.0, jnp.where(negative, 1.0, mean) ** weight)


# Compiled even when called outside `jit`: op by op, the loops would be slow.
@jax.jit
def _missing(
    a: Array, b: Array, data_range: Array | int | float
) -> tuple[Array, Array]:
    """One minus the maps of luminance and of contrast-structure.

    With d = a - b, (2 xy + c) / (x^2 + y^2 + c) = 1 - d^2 / (x^2 + y^2 + c), for the
    means as for the deviations. Averaging what is missing to 1, not numbers near
    1, keeps the digits that tell good images apart.
    """
    mean, variance = _window_statistics(jnp.stack([a, b, a - b]))
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    luminance = mean[2] ** 2 / (mean[0] ** 2 + mean[1] ** 2 + c1)
    return luminance, variance[2] / (variance[0] + variance[1] + c2)


def _window_statistics(planes: Array) -> tuple[Array, Array]:
    """Mean and variance in the square window, without the cancellation of E[x^2].

    Law of total variance over the lines of the window: the mean of the variances
    along the lines, plus the variance of the means of the lines. Both sum squares
    of centred values, so a bright, nearly constant region keeps its relative
    precision in float32.
    """
    line_mean, line_variance = _line_statistics(planes, -2)
    mean, between = _line_statistics(line_mean, -3)
    within, _ = _line_statistics(line_variance, -3)
    return mean, within + between


def _line_statistics(planes: Array, axis: int) -> tuple[Array, Array]:
    """Mean and variance in the window along one axis."""
    # A loop over shifts and not a convolution, which the matrix unit of a TPU
    # would round to bfloat16; rolled, because 66 slices compile for seconds.
    length = planes.shape[axis] - SSIM_WINDOW + 1
    weights = jnp.asarray(_weights())

    def shifted(start: Array) -> Array:
        return lax.dynamic_slice_in_dim(planes, start, length, axis)

    def add_value(tap: Array, total: Array) -> Array:
        return total + weights[tap] * shifted(tap)

    def add_square(tap: Array, total: Array) -> Array:
        return total + weights[tap] * jnp.square(shifted(tap) - mean)

    zeros = jnp.zeros_like(lax.slice_in_dim(planes, 0, length, axis=axis))
    mean = lax.fori_loop(0, SSIM_WINDOW, add_value, zeros)
    return mean, lax.fori_loop(0, SSIM_WINDOW, add_square, zeros)


def _weights() -> np.ndarray:
    """The window along one axis; the square one is its outer product."""
    distance = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights = np.exp(-0.5 * (distance / _SIGMA) ** 2)
    return (weights / weights.sum()).astype(np.float32)

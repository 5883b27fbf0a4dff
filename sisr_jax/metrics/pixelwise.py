"""Metrics of the difference at each pixel."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from sisr_jax.metrics.inputs import (
    AnyImage,
    Mask,
    as_pair,
    check_grey_levels,
    mask_for,
)


def psnr(
    a: AnyImage,
    b: AnyImage,
    *,
    data_range: int | float = 1.0,
    mask: Mask | None = None,
) -> Float[Array, "*batch"]:
    """Peak signal-to-noise ratio, `10 log10(data_range^2 / mean (a - b)^2)`.

    Args:
        a: Image.
        b: Image of the same shape.
        data_range: Largest minus smallest possible value.
        mask: Pixels that count; all if None.

    Returns:
        Decibels; infinite for equal images, where the gradient is 0; NaN where
        the mask is empty.

    Raises:
        ValueError: If the shapes differ, the mask does not fit, or integers are given
            with a range of 1.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import psnr
        >>> image = np.full((16, 16, 1), 0.5)
        >>> print(f"{psnr(image - 0.1, image):.1f} {psnr(image - 0.01, image):.1f}")
        20.0 40.0
    """
    check_grey_levels(a, b, data_range)
    error = _mean_square(a, b, mask)
    equal = error == 0
    # The inner `where` keeps log(0) out of the graph: its gradient is infinite,
    # and the outer one would turn it into 0 * inf = NaN.
    finite = -10.0 * jnp.log10(jnp.where(equal, 1.0, error))
    return jnp.where(equal, jnp.inf, finite + 20.0 * jnp.log10(data_range))


def rmse(
    a: AnyImage, b: AnyImage, *, mask: Mask | None = None
) -> Float[Array, "*batch"]:
    """Root of the mean squared difference.

    Args:
        a: Image.
        b: Image of the same shape.
        mask: Pixels that count; all if None.

    Returns:
        In the unit of the images; for CT in [0, 1], times the width of the window
        gives HU. The gradient of equal images is 0. NaN where the mask is empty.

    Raises:
        ValueError: If the shapes differ or the mask does not fit.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import rmse
        >>> image = np.full((16, 16, 1), 0.5)
        >>> half = np.arange(16)[:, None, None] < np.full((16, 1), 8)
        >>> worse = np.where(half, image + 0.1, image)
        >>> print(f"{rmse(worse, image, mask=half):.3f} {rmse(worse, image):.3f}")
        0.100 0.071
    """
    error = _mean_square(a, b, mask)
    equal = error == 0
    # As in `psnr`: the slope of the root is infinite at 0.
    return jnp.where(equal, 0.0, jnp.sqrt(jnp.where(equal, 1.0, error)))


def _mean_square(a: AnyImage, b: AnyImage, mask: Mask | None) -> Float[Array, "*batch"]:
    first, second = as_pair(a, b)
    difference = first - second
    if mask is not None:
        mask = mask_for(difference.shape, mask)
        # Before squaring: the gradient of what a mask hides is 0, NaN or not.
        difference = jnp.where(mask, difference, 0.0)
    return jnp.mean(jnp.square(difference), axis=(-3, -2, -1), where=mask)

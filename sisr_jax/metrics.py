"""Image quality, one float32 number for each image of a batch.

Images are `[*batch, height, width, channels]` and the metrics `[*batch]`, with
the range of the data stated by the caller. Nothing here knows about padding: the
caller masks before it averages.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from sisr_jax.types import Image

_WINDOW = 11
_SIGMA = 1.5
_K1 = 0.01
_K2 = 0.03


def psnr(
    a: Image | Float[np.ndarray, "*batch height width channels"],
    b: Image | Float[np.ndarray, "*batch height width channels"],
    data_range: int | float = 1.0,
) -> Float[Array, "*batch"]:
    """Peak signal-to-noise ratio, `10 log10(data_range^2 / mean (a - b)^2)`.

    Args:
        a: Image.
        b: Image of the same shape.
        data_range: Largest minus smallest possible value.

    Returns:
        Decibels; infinite for equal images, where the gradient is 0.

    Raises:
        ValueError: If the shapes differ.
    """
    _check_same_shape(a, b)
    difference = jnp.asarray(a, jnp.float32) - jnp.asarray(b, jnp.float32)
    error = jnp.mean(jnp.square(difference), axis=(-3, -2, -1))
    equal = error == 0
    # The inner `where` keeps log(0) out of the graph: its gradient is infinite,
    # and the outer one would turn it into 0 * inf = NaN.
    finite = -10.0 * jnp.log10(jnp.where(equal, 1.0, error))
    return jnp.where(equal, jnp.inf, finite + 20.0 * jnp.log10(data_range))


def ssim(
    a: Image | Float[np.ndarray, "*batch height width channels"],
    b: Image | Float[np.ndarray, "*batch height width channels"],
    data_range: int | float = 1.0,
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

    Returns:
        Similarity of at most 1; 1 for equal images.

    Raises:
        ValueError: If the shapes differ or the window does not fit.
    """
    _check_same_shape(a, b)
    height, width = a.shape[-3:-1]
    if min(height, width) < _WINDOW:
        raise ValueError(
            f"image of {height} x {width} pixels: SSIM needs at least "
            f"{_WINDOW} x {_WINDOW}"
        )
    missing = _dissimilarity(
        jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32), data_range
    )
    return 1.0 - jnp.mean(missing, axis=(-3, -2, -1))


def _check_same_shape(a: Array | np.ndarray, b: Array | np.ndarray) -> None:
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape}: expected equal ones")


# Compiled even when called outside `jit`: op by op, the loops would be slow.
@jax.jit
def _dissimilarity(a: Array, b: Array, data_range: Array | int | float) -> Array:
    """One minus the map of local similarities.

    With d = a - b, (2 xy + c) / (x^2 + y^2 + c) = 1 - d^2 / (x^2 + y^2 + c), for the
    means as for the deviations. Averaging what is missing to 1, not numbers near
    1, keeps the digits that tell good images apart.
    """
    mean, variance = _window_statistics(jnp.stack([a, b, a - b]))
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    luminance = mean[2] ** 2 / (mean[0] ** 2 + mean[1] ** 2 + c1)
    structure = variance[2] / (variance[0] + variance[1] + c2)
    return luminance + structure - luminance * structure


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
    length = planes.shape[axis] - _WINDOW + 1
    weights = jnp.asarray(_weights())

    def shifted(start: Array) -> Array:
        return lax.dynamic_slice_in_dim(planes, start, length, axis)

    def add_value(tap: Array, total: Array) -> Array:
        return total + weights[tap] * shifted(tap)

    def add_square(tap: Array, total: Array) -> Array:
        return total + weights[tap] * jnp.square(shifted(tap) - mean)

    zeros = jnp.zeros_like(lax.slice_in_dim(planes, 0, length, axis=axis))
    mean = lax.fori_loop(0, _WINDOW, add_value, zeros)
    return mean, lax.fori_loop(0, _WINDOW, add_square, zeros)


def _weights() -> np.ndarray:
    """The window along one axis; the square one is its outer product."""
    distance = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-0.5 * (distance / _SIGMA) ** 2)
    return (weights / weights.sum()).astype(np.float32)

"""Interpolation along the width, from acquired columns to the full image.

Every resampling is one small `[width * factor, width]` matrix, built on the
host in float64 from (width, factor, offset, interpolation) and applied as one matrix
product: exact gradients, no gather, and the matrix unit of a TPU does the work.
"""

import functools
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from sisr_jax.geometries import kept_columns
from sisr_jax.image.inputs import check_channels
from sisr_jax.reals import as_array

AnyImage = Real[Array | np.ndarray, "*batch height width channels"]
Interpolation = Literal["nearest", "linear", "cubic", "lanczos"]

# Free parameter of the kernel family of Keys, "Cubic convolution interpolation
# for digital image processing", IEEE TASSP 1981, eq. 15: a = -0.5 is the one
# member that reproduces quadratics.
_KEYS_A = -0.5


def aligned_columns(
    image: AnyImage,
    *,
    factor: int,
    offset: int = 0,
    interpolation: Interpolation = "linear",
) -> Float[Array, "*batch height width*{factor} channels"]:
    """Interpolates between kept columns, each at the place it was acquired at.

    Column `k` of `image` is column `factor * k + offset` of the result, passed
    through unchanged: the inverse on the grid of keeping every `factor`-th
    column from `offset` on. Outside the first and the last kept column the
    image is continued by its edge columns.

    Args:
        image: Kept columns, any range; interpolated in float32.
        factor: Columns of the result for each kept one, at least 1.
        offset: Column of the result at which the first kept one sits,
            `0 <= offset < factor`.
        interpolation: `nearest`, of two as near the left; `linear`; `cubic` (Keys 1981,
            a = -0.5); or `lanczos` with three lobes and weights that sum to 1. Taps of
            the last two beyond the border read the edge column, and they may overshoot.

    Returns:
        The full-width image in the dtype of `image`; of whole numbers, in float32.

    Raises:
        TypeError: If `factor` or `offset` is no whole number.
        ValueError: If `factor`, `offset`, `interpolation` or the shape of the image is
            not as stated.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.image.resize import aligned_columns
        >>> lines = np.array([0.0, 4.0, 8.0])[None, :, None]
        >>> print(aligned_columns(lines, factor=4)[0, :, 0])
        [0. 1. 2. 3. 4. 5. 6. 7. 8. 8. 8. 8.]
    """
    factor, offset = kept_columns(factor, offset)
    if interpolation not in get_args(Interpolation):
        raise ValueError(
            f"interpolation = {interpolation!r}: expected one of "
            f"{', '.join(map(repr, get_args(Interpolation)))}"
        )
    check_channels(image)
    return _apply(
        _aligned_weights(image.shape[-2], factor, offset, interpolation), image
    )


def half_pixel_columns(
    image: AnyImage, *, factor: int
) -> Float[Array, "*batch height width*{factor} channels"]:
    """Bicubic widening with half-pixel centres, as `tf.image.resize` does it.

    Treats a low-resolution pixel as the average of the `factor` pixels it
    covers: column `k` lands at `factor * k + (factor - 1) / 2`. Columns that
    were kept by decimation sit at `factor * k + offset` instead, so the result
    is shifted by `(factor - 1) / 2 - offset` pixels against the truth. It is
    here to compare with published numbers; `aligned_columns` is the fair one.

    Taps beyond the border are dropped and the others rescaled to sum to 1
    (TensorFlow's and JAX's rule). Keys kernel with a = -0.5, no anti-aliasing.

    Args:
        image: Low-resolution columns, any range; interpolated in float32.
        factor: Columns of the result for each given one, at least 1.

    Returns:
        The widened image in the dtype of `image`; of whole numbers, in float32.

    Raises:
        TypeError: If `factor` is no whole number.
        ValueError: If `factor` is below 1, or the image has no channels.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.image.resize import half_pixel_columns
        >>> lines = np.arange(6.0)[None, :, None] * 4
        >>> print(half_pixel_columns(lines, factor=2)[0, 4:8, 0])  # half a column off
        [ 7.  9. 11. 13.]
    """
    factor, _ = kept_columns(factor, 0)
    check_channels(image)
    return _apply(_half_pixel_weights(image.shape[-2], factor), image)


def _apply(weights: np.ndarray, image: AnyImage) -> Array:
    # HIGHEST: a TPU otherwise rounds both factors to bfloat16, and kept columns
    # would no longer pass through unchanged.
    image = as_array(image, "image")
    wide = jnp.einsum(
        "ow,...hwc->...hoc",
        jnp.asarray(weights, jnp.float32),
        image,
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )
    # As whole numbers they would be rounded down, and an overshoot wrap around.
    is_real = jnp.issubdtype(image.dtype, jnp.floating)
    return wide.astype(image.dtype if is_real else jnp.float32)


@functools.lru_cache(maxsize=32)
def _aligned_weights(
    width: int, factor: int, offset: int, interpolation: Interpolation
) -> np.ndarray:
    position = (np.arange(width * factor) - offset) / factor
    if interpolation == "nearest":
        taps = np.ceil(position - 0.5).astype(int)[:, None]
        weights = np.ones(taps.shape)
    elif interpolation == "linear":
        # Edge replication of a linear ramp is a clipped position.
        taps, weights = _linear_taps(np.clip(position, 0, width - 1))
    elif interpolation == "cubic":
        taps, weights = _cubic_taps(position)
    else:
        taps, weights = _lanczos_taps(position)
    return _scatter(np.clip(taps, 0, width - 1), weights, width)


@functools.lru_cache(maxsize=32)
def _half_pixel_weights(width: int, factor: int) -> np.ndarray:
    position = (np.arange(width * factor) + 0.5) / factor - 0.5
    taps, weights = _cubic_taps(position)
    weights = np.where((taps >= 0) & (taps < width), weights, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    return _scatter(np.clip(taps, 0, width - 1), weights, width)


def _linear_taps(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns `[outputs, 2]` around each position, and their weights."""
    taps = np.floor(position).astype(int)[:, None] + np.arange(2)
    return taps, 1 - np.abs(position[:, None] - taps)


def _cubic_taps(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns `[outputs, 4]` around each position, and their weights."""
    taps = np.floor(position).astype(int)[:, None] + np.arange(-1, 3)
    distance = np.abs(position[:, None] - taps)
    near = ((_KEYS_A + 2) * distance - (_KEYS_A + 3)) * distance**2 + 1
    far = _KEYS_A * (((distance - 5) * distance + 8) * distance - 4)
    return taps, np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def _lanczos_taps(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns `[outputs, 6]` around each position, and their weights."""
    taps = np.floor(position).astype(int)[:, None] + np.arange(-2, 4)
    distance = position[:, None] - taps
    weights = np.sinc(distance) * np.sinc(distance / 3) * (np.abs(distance) < 3)
    return taps, weights / weights.sum(axis=1, keepdims=True)


def _scatter(taps: np.ndarray, weights: np.ndarray, width: int) -> np.ndarray:
    """Matrix `[outputs, width]` that sums the weights of equal columns."""
    matrix = np.zeros((len(taps), width))
    np.add.at(matrix, (np.arange(len(taps))[:, None], taps), weights)
    matrix.setflags(write=False)  # shared by every caller through the cache
    return matrix

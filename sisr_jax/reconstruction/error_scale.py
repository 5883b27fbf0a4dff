"""Where an error of a restored image is likely, up to a factor that is calibrated."""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.starts import starts

# Total variation with these weights: they differ where the prior decides.
_MULTIPLES = (1.0, 5.0)
# Pixels: deviation of the Gaussian by which a square is averaged.
_BLUR = 4
# Of the window: where both weights say the same there are errors, too.
_FLOOR = 5e-4


def error_scale(
    y: Float[Array, "..."], A: LinearOperator
) -> Float[Array, "*batch height width"]:
    """How much of an image its prior decides: local difference of two priors.

    The root of the local mean of the squared difference of two reconstructions by total
    variation, one with five times the weight of the other. Where the measurement
    determines the image, both agree. It is a scale, not an error: intervals are a
    multiple of it that is calibrated on images whose truth is known.

    Args:
        y: Measurements, `[*batch, *range_shape]`, of images in [0, 1].
        A: The operator; its domain are images.

    Returns:
        Above 0, in units of the image.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.reconstruction.error_scale import error_scale
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> image = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (16, 1))
        >>> few, all_lines = LateralDecimation(factor=4), LateralDecimation(factor=1)
        >>> scales = [error_scale(A(image), A).mean() for A in (few, all_lines)]
        >>> bool(scales[0] > scales[1])  # the prior decides what is not measured
        True
    """
    images = starts(y, A, multiples=_MULTIPLES)
    squared = jnp.square(images[..., 1] - images[..., 0])
    return jnp.sqrt(_blurred(squared)) + _FLOOR


def _blurred(planes: Float[Array, "*batch height width"]) -> Array:
    """Averages with a Gaussian, planes continued by their edge pixels."""
    reach = 4 * _BLUR
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _BLUR) ** 2)
    weights = jnp.asarray(weights / weights.sum(), jnp.float32)
    flat = planes.reshape(-1, 1, *planes.shape[-2:])
    around = ((0, 0), (0, 0), (reach, reach), (reach, reach))
    padded = jnp.pad(flat, around, mode="edge")
    for kernel in (weights[None, None, :, None], weights[None, None, None, :]):
        padded = lax.conv_general_dilated(
            padded, kernel, (1, 1), "VALID", precision=lax.Precision.HIGHEST
        )
    return padded.reshape(planes.shape)

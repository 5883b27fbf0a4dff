"""Lateral decimation of B-mode images."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from sisr_jax.geometries import kept_columns
from sisr_jax.reals import as_array


def decimate_columns(
    image: Real[Array | np.ndarray, "*batch height width"],
    *,
    factor: int,
    offset: int = 0,
) -> Float[Array, "*batch height width//{factor}"]:
    """Keeps every `factor`-th scan line of B-mode images.

    A probe that fires fewer lines leaves the depth axis as it is. The lateral
    axis loses samples without an anti-alias filter, since nothing was acquired
    between the lines.

    Args:
        image: Planes whose columns are scan lines; float64 stays float64,
            everything else becomes float32.
        factor: Lines for each line kept, at least 1; must divide the width.
        offset: First line kept, `0 <= offset < factor`.

    Returns:
        `[..., height, width // factor]`, the lines kept, in order.

    Raises:
        TypeError: If `factor` or `offset` is no whole number.
        ValueError: If `factor` is below 1 or does not divide the width, or
            `offset` is out of range.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.ultrasound import decimate_columns
        >>> print(decimate_columns(np.arange(8.0)[None], factor=4, offset=1))
        [[1. 5.]]
    """
    image = as_array(image, "image")
    if image.ndim < 2:
        raise ValueError(f"image of shape {image.shape}: expected [..., height, width]")
    factor, offset = kept_columns(factor, offset)
    width = image.shape[-1]
    if width % factor:
        raise ValueError(
            f"factor = {factor}: expected a divisor of the width, image of shape "
            f"{image.shape}{', which has an axis of channels' if width == 1 else ''}"
        )
    image = image.astype(jnp.promote_types(image.dtype, jnp.float32))
    return image[..., offset::factor]

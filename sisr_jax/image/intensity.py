"""Intensity scales of images."""

import jax.numpy as jnp

from sisr_jax.image.inputs import check_channels
from sisr_jax.types import Image


def own_range(images: Image) -> Image:
    """Scales each image from its own minimum and maximum to [0, 1].

    This is the original protocol's main flaw; nothing else uses it. A constant image
    becomes 0.

    Args:
        images: `[*batch, height, width, channels]`.

    Raises:
        ValueError: If there is no axis of channels.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.image.intensity import own_range
        >>> print(own_range(jnp.array([[[2.0], [4.0], [6.0]]], jnp.float32))[0, :, 0])
        [0.  0.5 1. ]
    """
    check_channels(images)
    low = jnp.min(images, axis=(-3, -2, -1), keepdims=True)
    high = jnp.max(images, axis=(-3, -2, -1), keepdims=True)
    return (images - low) / jnp.where(high > low, high - low, 1.0)

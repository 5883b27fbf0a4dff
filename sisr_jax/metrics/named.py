"""Metrics that a configuration may ask for by name, beside those always there."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from sisr_jax.metrics.inputs import AnyImage, as_pair


def mae(predictions: AnyImage, targets: AnyImage) -> Float[Array, "*batch"]:
    """Mean absolute difference, in the unit of the images.

    Args:
        predictions: Images.
        targets: Images of the same shape.

    Returns:
        One number for each image; the gradient of equal pixels is 0.

    Raises:
        ValueError: If the shapes differ.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import mae
        >>> image = np.full((16, 16, 1), 0.5)
        >>> print(f"{mae(image - 0.1, image):.3f}")
        0.100
    """
    predictions, targets = as_pair(predictions, targets)
    difference = predictions - targets
    # jnp.abs has slope 1 at 0.
    return jnp.mean(jnp.maximum(difference, -difference), axis=(-3, -2, -1))


# Estimates and targets `[batch, height, width, 1]` to one number for each image.
METRICS: dict[str, Callable[[Array, Array], Array]] = {"mae": mae}

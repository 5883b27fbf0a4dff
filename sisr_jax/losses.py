"""Losses of images against their targets; `PIXEL_LOSSES` and `TERMS` name them.

A pixel loss returns one number for each element: the mean, its mask and its weights are
the caller's, so that one definition serves any sharding and any padding. A term returns
one number for a batch. Inputs below float32 should be cast first.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float


def l1(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Absolute difference; its gradient at equality is 0.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.losses import l1
        >>> print(l1(jnp.array([0.2, 0.5]), jnp.array([0.5, 0.5])))
        [0.3 0. ]
    """
    return _size(predictions - targets)


def mse(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Squared difference.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.losses import mse
        >>> print(mse(jnp.array([0.25, 0.5]), jnp.array([0.5, 0.5])))
        [0.0625 0.    ]
    """
    return jnp.square(predictions - targets)


def charbonnier(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    epsilon: int | float = 1e-3,
) -> Float[Array, "*shape"]:
    """Absolute difference with a smooth minimum, `sqrt(difference^2 + epsilon^2)`.

    Charbonnier et al., ICIP 1994; the value at equality is `epsilon`, not 0.

    Args:
        predictions: Any shape.
        targets: Same shape.
        epsilon: Half width of the rounded tip, in units of the image.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.losses import charbonnier
        >>> predictions, targets = jnp.array([0.2, 0.5]), jnp.array([0.5, 0.5])
        >>> print(charbonnier(predictions, targets, epsilon=0.4))
        [0.5 0.4]
    """
    return jnp.sqrt(jnp.square(predictions - targets) + epsilon**2)


def log_mse(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    epsilon: int | float = 1e-8,
) -> Float[Array, "*shape"]:
    """Logarithm of the mean squared difference of the image that an element is of.

    Its mean falls as the mean PSNR rises: images that are easy and images that are hard
    count alike, where of `mse` the hard ones are nearly all.

    Args:
        predictions: Images along the first axis.
        targets: Same shape.
        epsilon: Mean squared difference that is as good as none.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.losses import log_mse
        >>> predictions = jnp.array([[0.51, 0.51], [0.6, 0.6]])  # one easy, one hard
        >>> found = log_mse(predictions, jnp.full((2, 2), 0.5))
        >>> print((found / jnp.log(10)).round(3))
        [[-4. -4.]
         [-2. -2.]]
    """
    squared = jnp.square(predictions - targets)
    mean = squared.mean(tuple(range(1, squared.ndim)), keepdims=True)
    return jnp.broadcast_to(jnp.log(mean + epsilon), squared.shape)


PIXEL_LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "mse": mse,
    "l1": l1,
    "charbonnier": charbonnier,
    "log_mse": log_mse,
}


def gradient_difference(
    predictions: Float[Array, "batch height width channels"],
    targets: Float[Array, "batch height width channels"],
) -> Float[Array, ""]:
    """Mean absolute difference of the forward differences along rows and columns.

    Mathieu, Couprie and LeCun, ICLR 2016, eq. 6 with exponent 1: keeps edges sharp
    where the mean of the pixels would blur them. Equal differences have gradient 0.

    Args:
        predictions: Images.
        targets: Same shape.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.losses import gradient_difference
        >>> ramp = jnp.tile(0.25 * jnp.arange(4.0), (4, 1))[None, :, :, None]
        >>> print(gradient_difference(ramp, ramp + 0.5))  # nothing but the brightness
        0.0
        >>> print(gradient_difference(ramp, 0 * ramp))  # the slope is lost
        0.25
    """
    error = predictions - targets
    return jnp.mean(_size(jnp.diff(error, axis=1))) + jnp.mean(
        _size(jnp.diff(error, axis=2))
    )


def _size(difference: Array) -> Array:
    """Absolute values; their slope at 0 is 0."""
    # That of jnp.abs is 1, which would push pixels that are already right.
    return jnp.maximum(difference, -difference)


# Terms of the generator's loss beside the pixel loss: images to one number.
TERMS: dict[str, Callable[[Array, Array], Array]] = {
    "gradient_difference": gradient_difference,
}

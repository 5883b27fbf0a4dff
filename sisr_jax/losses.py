"""Losses before reduction: each returns one number for each element.

The mean, its mask and its weights are the caller's, so that one definition
serves any sharding and any padding. Inputs below float32 should be cast first.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def l1(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Absolute difference; its gradient at equality is 0."""
    # jnp.abs has slope 1 at 0, which would push pixels that are already right.
    return jnp.maximum(a - b, b - a)


def mse(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Squared difference."""
    return jnp.square(a - b)


def charbonnier(
    a: Float[Array, "*shape"], b: Float[Array, "*shape"], epsilon: int | float = 1e-3
) -> Float[Array, "*shape"]:
    """`sqrt((a - b)^2 + epsilon^2)`: absolute difference with a smooth minimum.

    Charbonnier et al., ICIP 1994; the value at equality is `epsilon`, not 0.

    Args:
        a: Any shape.
        b: Same shape.
        epsilon: Half width of the rounded tip, in units of the image.
    """
    return jnp.sqrt(jnp.square(a - b) + epsilon**2)


def bce_from_logits(
    logits: Float[Array, "*shape"], target: Float[Array, "*#shape"] | int | float
) -> Float[Array, "*shape"]:
    """Binary cross entropy of `sigmoid(logits)` against `target`.

    `target * softplus(-x) + (1 - target) * softplus(x)`: both terms are positive,
    so nothing cancels however sure the network is, and the gradient is exactly
    `sigmoid(x) - target`.

    Args:
        logits: Unbounded scores, of any shape.
        target: Probability of the positive class, in [0, 1].
    """
    positive = target * jax.nn.softplus(-logits)
    return positive + (1.0 - target) * jax.nn.softplus(logits)


PIXEL_LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "mse": mse,
    "l1": l1,
    "charbonnier": charbonnier,
}

"""What one stage is made of: its network, the images that it sees, and its loss.

The first is what a stage of the shipped cascades is; the others differ from it in one
thing, and the rivals see back-projection alone.
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from sisr_jax.models.srresnet import SRResNetCT
from sisr_jax.models.unet import UNet

# Of output, target and the mean squared error of the best image that the stage sees.
Loss = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
# A slice's mean squared error is about this.
TYPICAL_ERROR = 2e-4


def relative_squared(
    output: jax.Array, target: jax.Array, error: jax.Array
) -> jax.Array:
    """Squared error over that of the slice before."""
    return jnp.mean(jnp.square(output - target).mean((1, 2, 3)) / error)


def squared(output: jax.Array, target: jax.Array, error: jax.Array) -> jax.Array:
    """Squared error: hard slices count most."""
    del error
    return jnp.mean(jnp.square(output - target)) / TYPICAL_ERROR


def relative_absolute(
    output: jax.Array, target: jax.Array, error: jax.Array
) -> jax.Array:
    """Absolute error over the root of the slice's squared error before."""
    return jnp.mean(jnp.abs(output - target).mean((1, 2, 3)) / jnp.sqrt(error))


class Recipe(NamedTuple):
    """How a stage is trained.

    Attributes:
        name: What tables call it.
        network: What corrects an image.
        images: Which of the images of a stage it sees: 0 the current one, 1 the output
            of the stage before, then the starts; -1 is back-projection. It corrects
            the first.
        loss: What falls.
    """

    name: str
    network: nn.Module = UNet()
    images: tuple[int, ...] | None = None
    loss: Loss = relative_squared

    def seen(self, images: jax.Array) -> jax.Array:
        """What the network sees of `[..., images]`."""
        return images if self.images is None else images[..., self.images]


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("stage"),
        Recipe("absolute error", loss=relative_absolute),
        Recipe("squared error, hard slices count most", loss=squared),
        Recipe("half the width", UNet((16, 32, 64))),
        Recipe("1.5 times the width", UNet((48, 96, 192))),
        Recipe("two blocks a level", UNet(num_blocks=2)),
        Recipe("one start of total variation", images=(0, -1)),
        Recipe("U-Net on back-projection", images=(-1,)),
        Recipe("SRResNet on back-projection", SRResNetCT(), images=(-1,)),
    )
}

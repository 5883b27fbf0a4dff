"""The discriminator of SRGAN (Ledig et al. 2017, figure 4)."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from sisr_jax.config import Config
from sisr_jax.models.blocks import Conv, Norm, normalise
from sisr_jax.models.packing import PLAIN, Packing, repack

# Where the weights of the first dense layer of the head are in `params`.
HEAD_WEIGHTS = ("Dense_0", "kernel")

# Of the leaky rectifiers.
SLOPE = 0.2


def build(config: Config) -> nn.Module:
    """The discriminator of a configuration."""
    values = config.discriminator
    return Discriminator(
        width=values.width,
        norm=values.norm,
        head=values.head,
        dtype=config.compute_dtype,
    )


class Discriminator(nn.Module):
    """Tells real images from generated ones.

    Attributes:
        width: Channels of the first convolution; the last has eight times as many.
        norm: Normalisation after every convolution but the first.
        head: `pooled`: mean over the pixels, any image size; `dense`: all pixels
            into the dense layer as in the original, which fixes the image size and
            has 537 million weights at 512x512 and width 64.
        dtype: Compute type; parameters and logits are float32.

    Examples:
        >>> import jax
        >>> from sisr_jax.models import Discriminator
        >>> network = Discriminator(width=8)
        >>> key, images = jax.random.key(0), jax.numpy.zeros((2, 32, 32, 1))
        >>> logits = jax.eval_shape(
        ...     lambda: network.init_with_output(key, images, train=False)[0]
        ... )
        >>> logits.shape
        (2,)
    """

    width: int = 64
    norm: Norm = "group"
    head: Literal["pooled", "dense"] = "pooled"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps `[B, H, W, 1]` to logits `[B]`, float32; positive means real."""
        is_even = x.shape[1] % 2 == x.shape[2] % 2 == 0
        packing = Packing(2, 2) if is_even else PLAIN
        y = repack(x.astype(self.dtype), packing=PLAIN, into=packing)
        y = Conv(self.width, dtype=self.dtype)(y, packing=packing, into=packing)
        y = nn.leaky_relu(y, SLOPE)
        plain = self.norm == "none"
        for multiple, stride in (1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2):
            y = Conv(
                multiple * self.width, stride=stride, use_bias=plain, dtype=self.dtype
            )(y, packing=packing)
            packing = PLAIN
            y = normalise(y, self.norm, train=train, dtype=self.dtype)
            y = nn.leaky_relu(y, SLOPE)
        # The head is a ten-thousandth of the work: float32 in any case.
        y = y.astype(jnp.float32)
        y = y.mean((1, 2)) if self.head == "pooled" else y.reshape(len(y), -1)
        return judge(y)


def judge(features: jax.Array) -> jax.Array:
    """The head: two dense layers from `[B, C]` to logits `[B]`, in a compact module."""
    y = nn.leaky_relu(nn.Dense(1024)(features), SLOPE)
    return nn.Dense(1)(y)[:, 0]

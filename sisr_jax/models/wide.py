"""Networks for matrix units: blocks of pixels are channels from end to end.

A unit of 128 x 128 multiply-adds is idle where an image has few channels. These
networks move blocks of pixels into channels once, at the start, and work at 128 or more
of them. Blocks, skip and head are those of `srresnet` and `discriminator`. Cycles:
`experiments/tpu`.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from sisr_jax.config import Config
from sisr_jax.image.padding import pad_to_multiple
from sisr_jax.image.resize import aligned_columns
from sisr_jax.models.blocks import Conv, Norm, PReLU, Trunk, linear, normalise
from sisr_jax.models.discriminator import SLOPE, judge
from sisr_jax.models.packing import PLAIN, Packing, repack


def build(config: Config) -> nn.Module:
    """The generator of a configuration."""
    section, degradation = config.generator, config.degradation
    return WideSRResNet(
        block=section.block,
        width=section.width,
        num_blocks=section.num_blocks,
        norm=section.norm,
        global_skip=section.global_skip,
        factor=degradation.width_factor,
        offset=degradation.offset if degradation.width_factor > 1 else 0,
        dtype=config.compute_dtype,
    )


def build_discriminator(config: Config) -> nn.Module:
    """The discriminator of a configuration."""
    values = config.discriminator
    return WideDiscriminator(
        block=values.block,
        widths=values.widths,
        strides=values.strides,
        norm=values.norm,
        dtype=config.compute_dtype,
    )


class WideSRResNet(nn.Module):
    """Restores an image, or the columns that it lacks, at a fraction of its resolution.

    Attributes:
        block: Side of the blocks of the result; `factor` columns where these are more.
        width: Channels of the trunk.
        num_blocks: Residual blocks.
        norm: Normalisation in the trunk: `batch`, `group` or `none`.
        global_skip: Add the input, or its aligned cubic interpolation.
        factor: Columns of the result for each one of the input, a power of two.
        offset: Result column of the first input column.
        dtype: Compute type; parameters and output are float32.

    Examples:
        >>> import jax
        >>> from sisr_jax.models import WideSRResNet
        >>> network = WideSRResNet(width=8, num_blocks=1, factor=4)
        >>> key, lines = jax.random.key(0), jax.numpy.zeros((1, 16, 4, 1))
        >>> restored = jax.eval_shape(
        ...     lambda: network.init_with_output(key, lines, train=False)[0]
        ... )
        >>> restored.shape
        (1, 16, 16, 1)
    """

    block: int = 4
    width: int = 256
    num_blocks: int = 5
    norm: Norm = "none"
    global_skip: bool = True
    factor: int = 1
    offset: int = 0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        estimate: jax.Array,
        measurement: Any = None,
        operator: Any = None,
        *,
        train: bool,
    ) -> jax.Array:
        """Restores `[B, H, W, 1]` to `[B, H, W * factor, 1]`, float32, unclipped.

        Where `block` does not divide height or width, the estimate is continued by its
        last row and column, and the result is cut.
        """
        height, width = estimate.shape[1:3]
        estimate = pad_to_multiple(estimate, multiple=self.block)
        inner = Packing(self.block, max(1, self.block // self.factor))
        outer = Packing(self.block, max(self.block, self.factor))
        y = repack(estimate.astype(self.dtype), packing=PLAIN, into=inner)
        y = PReLU(self.dtype)(Conv(self.width, dtype=self.dtype)(y))
        y = Trunk(self.num_blocks, self.norm, self.dtype)(y, train=train)
        init = nn.initializers.zeros if self.global_skip else linear
        y = Conv(outer.pixels, kernel_init=init, dtype=self.dtype, name="output")(y)
        image = repack(y, packing=outer, into=PLAIN).astype(jnp.float32)
        if self.global_skip:
            skip = estimate.astype(jnp.float32)
            if self.factor > 1:
                skip = aligned_columns(
                    skip, factor=self.factor, offset=self.offset, interpolation="cubic"
                )
            image = skip + image
        return image[:, :height, : width * self.factor]


class WideDiscriminator(nn.Module):
    """Tells real images from generated ones.

    Attributes:
        block: Side of the blocks that become channels at the start.
        widths: Channels of each convolution.
        strides: Step of each.
        norm: Normalisation after every convolution but the first.
        dtype: Compute type; parameters and logits are float32.

    Examples:
        >>> import jax
        >>> from sisr_jax.models import WideDiscriminator
        >>> network = WideDiscriminator(block=4, widths=(16, 32), strides=(1, 2))
        >>> key, images = jax.random.key(0), jax.numpy.zeros((2, 32, 32, 1))
        >>> logits = jax.eval_shape(
        ...     lambda: network.init_with_output(key, images, train=False)[0]
        ... )
        >>> logits.shape
        (2,)
    """

    block: int
    widths: Sequence[int]
    strides: Sequence[int]
    norm: Norm = "group"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps `[B, H, W, 1]` to logits `[B]`, float32; positive means real.

        Raises:
            ValueError: If blocks do not divide the image.
        """
        block = Packing(self.block, self.block)
        y = repack(x.astype(self.dtype), packing=PLAIN, into=block)
        plain = self.norm == "none"
        for i, (width, stride) in enumerate(
            zip(self.widths, self.strides, strict=True)
        ):
            first = i == 0
            y = Conv(width, stride=stride, use_bias=plain or first, dtype=self.dtype)(y)
            if not first:
                y = normalise(y, self.norm, train=train, dtype=self.dtype)
            y = nn.leaky_relu(y, SLOPE)
        return judge(y.astype(jnp.float32).mean((1, 2)))

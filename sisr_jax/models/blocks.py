"""Layers shared by the networks.

Images are `[batch, height, width, channels]`. Parameters are float32; `dtype` is
the type that layers compute in and hand on. Blocks of pixels may lie in the channels,
see `packing`: where a layer takes a packing, that is the one of its input.
"""

import math
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer, variance_scaling
from jax.typing import DTypeLike

from sisr_jax.models.packing import PLAIN, Form, Packing, convolve_packed, spread

Norm = Literal["batch", "group", "none"]

# He et al. 2015 ("Delving Deep into Rectifiers"): both the initial slope and the
# variance that keeps activations level through PReLU of that slope.
INITIAL_SLOPE = 0.25
before_activation = variance_scaling(
    2 / (1 + INITIAL_SLOPE**2), "fan_in", "truncated_normal"
)
linear = variance_scaling(1.0, "fan_in", "truncated_normal")


class Conv(nn.Module):
    """Square convolution with zero padding and a bias.

    Attributes:
        features: Output channels, those that `shuffle` makes pixels of included.
        size: Side of the kernel, odd.
        stride: Step between output pixels.
        unshuffle: Blocks of pixels that become channels before.
        shuffle: Blocks of pixels that channels become behind.
        use_bias: Off where a normalisation subtracts the mean anyway.
        kernel_init: Initialiser of the kernel `[size, size, in, features]`.
        dtype: Compute type.
    """

    features: int
    size: int = 3
    stride: int = 1
    unshuffle: Packing = PLAIN
    shuffle: Packing = PLAIN
    use_bias: bool = True
    kernel_init: Initializer = before_activation
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, packing: Packing = PLAIN, into: Packing = PLAIN
    ) -> jax.Array:
        """Maps `[B, H, W, C]` to `[B, ceil(H/stride), ceil(W/stride), features]`.

        H, W and C are those behind the space-to-depth, and the result those before the
        depth-to-space. Only the layout of either depends on `packing` and `into`.
        """
        form = Form(self.stride, self.unshuffle, self.shuffle, packing, into)
        inputs = x.shape[-1] // packing.pixels * self.unshuffle.pixels
        shape = (self.size, self.size, inputs, self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        y = convolve_packed(x.astype(self.dtype), kernel, form)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            bias = spread(bias.astype(self.dtype), shuffle=self.shuffle, into=into)
            y = y + bias
        return y


class PReLU(nn.Module):
    """Leaky rectifier with one learned slope for each channel, shared by pixels."""

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, packing: Packing = PLAIN) -> jax.Array:
        """Keeps the shape; the slope `[C]` starts at 0.25 (He et al. 2015)."""
        shape = (x.shape[-1] // packing.pixels,)
        slope = self.param("slope", nn.initializers.constant(INITIAL_SLOPE), shape)
        slope = spread(slope.astype(self.dtype), shuffle=PLAIN, into=packing)
        return jnp.where(x >= 0, x, slope * x)


def normalise(x: jax.Array, kind: Norm, *, train: bool, dtype: DTypeLike) -> jax.Array:
    """Normalises the channels; to be called inside a compact module.

    Args:
        x: `[B, H, W, C]`.
        kind: `batch`: over the global batch, running averages in `batch_stats`;
            `group`: each image by itself, 16 channels a group; `none`: nothing.
        train: Batch statistics are taken from the batch and move the averages.
        dtype: Compute type; the statistics are float32 in any case.

    Returns:
        The same shape.
    """
    if kind == "batch":
        # 0.9: the average must settle within the few hundred steps of a short run.
        return nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=dtype)(x)
    if kind == "group":
        groups = x.shape[-1] // math.gcd(16, x.shape[-1])
        return nn.GroupNorm(groups, dtype=dtype)(x)
    return x


class ResidualBlock(nn.Module):
    """Conv, norm, PReLU, conv, norm, plus the input (Ledig et al. 2017, figure 4)."""

    norm: Norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Keeps the shape."""
        width, plain = x.shape[-1], self.norm == "none"
        y = Conv(width, use_bias=plain, dtype=self.dtype)(x)
        y = normalise(y, self.norm, train=train, dtype=self.dtype)
        y = PReLU(self.dtype)(y)
        # A small branch keeps a deep stack without norm from growing (EDSR).
        small = variance_scaling(0.1, "fan_in", "truncated_normal")
        y = Conv(width, use_bias=plain, kernel_init=small, dtype=self.dtype)(y)
        return x + normalise(y, self.norm, train=train, dtype=self.dtype)


class Trunk(nn.Module):
    """Residual blocks and a convolution, with a long skip around them all."""

    num_blocks: int
    norm: Norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Keeps the shape."""
        y = x
        for _ in range(self.num_blocks):
            y = ResidualBlock(self.norm, self.dtype)(y, train=train)
        y = Conv(
            x.shape[-1],
            use_bias=self.norm == "none",
            kernel_init=linear,
            dtype=self.dtype,
        )(y)
        return x + normalise(y, self.norm, train=train, dtype=self.dtype)

"""The SRResNet of Ledig et al. 2017 in its two adaptations.

CT: the degraded slice has the size of the result, so the head folds resolution
into channels and the tail unfolds it again. Ultrasound: only columns are missing,
so the tail unfolds channels along the width. Both end in a linear convolution.

Both look at the first estimate alone. With `global_skip` the network adds a correction
to it (ultrasound: to its aligned cubic interpolation). The last kernel then starts at
zero, so the untrained network returns that input.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from sisr_jax.config import Config
from sisr_jax.image.padding import pad_to_multiple
from sisr_jax.image.resize import aligned_columns
from sisr_jax.models.blocks import Conv, Norm, PReLU, Trunk, linear
from sisr_jax.models.packing import PLAIN, Packing, repack


def build(config: Config) -> nn.Module:
    """The adaptation for the width of the first estimate."""
    section, degradation = config.generator, config.degradation
    shared = {
        "width": section.width,
        "num_blocks": section.num_blocks,
        "norm": section.norm,
        "global_skip": section.global_skip,
        "dtype": config.compute_dtype,
    }
    if degradation.width_factor == 1:
        return SRResNetCT(num_shuffles=section.num_shuffles, **shared)
    return SRResNetUltrasound(
        factor=degradation.factor, offset=degradation.offset, **shared
    )


class SRResNetCT(nn.Module):
    """Restores a slice from its sparse-view reconstruction.

    Attributes:
        width: Channels of the trunk.
        num_blocks: Residual blocks.
        num_shuffles: Halvings of the resolution before the trunk, doublings after.
        norm: Normalisation in the trunk: `batch`, `group` or `none`.
        global_skip: Add the input to the output.
        dtype: Compute type; parameters and output are float32.

    Examples:
        >>> import jax
        >>> from sisr_jax.models import SRResNetCT
        >>> network = SRResNetCT(width=8, num_blocks=1)
        >>> key, estimate = jax.random.key(0), jax.numpy.zeros((1, 16, 16, 1))
        >>> restored = jax.eval_shape(
        ...     lambda: network.init_with_output(key, estimate, train=False)[0]
        ... )
        >>> restored.shape
        (1, 16, 16, 1)
    """

    width: int = 64
    num_blocks: int = 5
    num_shuffles: int = 2
    norm: Norm = "none"
    global_skip: bool = True
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
        """Restores `[B, H, W, 1]` to `[B, H, W, 1]`, float32, unclipped.

        Where `2**num_shuffles` does not divide height or width, the estimate is
        continued by its last row and column, and the result is cut.
        """
        height, width = estimate.shape[1:3]
        x = pad_to_multiple(estimate, multiple=2**self.num_shuffles)
        block = Packing(2, 2)
        packing = block if self.num_shuffles else PLAIN
        y = repack(x.astype(self.dtype), packing=PLAIN, into=packing)
        y = Conv(self.width, dtype=self.dtype)(y, packing=packing, into=packing)
        y = PReLU(self.dtype)(y, packing=packing)
        for _ in range(self.num_shuffles):
            y = repack(y, packing=packing, into=block)
            y = Conv(self.width, unshuffle=block, dtype=self.dtype)(y, packing=block)
            y, packing = PReLU(self.dtype)(y), PLAIN
        y = Trunk(self.num_blocks, self.norm, self.dtype)(y, train=train)
        for _ in range(self.num_shuffles):
            y = repack(y, packing=packing, into=PLAIN)
            y = Conv(4 * self.width, shuffle=block, dtype=self.dtype)(y, into=block)
            y, packing = PReLU(self.dtype)(y, packing=block), block
        skip = x if self.global_skip else None
        image = _output(y, skip, packing=packing, dtype=self.dtype)
        return image[:, :height, :width]


class SRResNetUltrasound(nn.Module):
    """Restores the columns that a lateral decimation left out.

    Attributes:
        width: Channels of the trunk.
        num_blocks: Residual blocks.
        norm: Normalisation in the trunk: `batch`, `group` or `none`.
        global_skip: Add the aligned cubic interpolation of the columns.
        factor: Columns for each column of the input, a power of two.
        offset: Result column of the first input column.
        dtype: Compute type; parameters and output are float32.

    Examples:
        >>> import jax
        >>> from sisr_jax.models import SRResNetUltrasound
        >>> network = SRResNetUltrasound(factor=4, width=8, num_blocks=1)
        >>> key, lines = jax.random.key(0), jax.numpy.zeros((1, 16, 4, 1))
        >>> restored = jax.eval_shape(
        ...     lambda: network.init_with_output(key, lines, train=False)[0]
        ... )
        >>> restored.shape
        (1, 16, 16, 1)
    """

    factor: int
    offset: int = 0
    width: int = 64
    num_blocks: int = 5
    norm: Norm = "none"
    global_skip: bool = True
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

        Raises:
            ValueError: If `factor` is not a power of two.
        """
        if self.factor < 1 or self.factor & (self.factor - 1):
            raise ValueError(f"factor = {self.factor}: expected a power of two")
        x = estimate
        pair, packing = Packing(1, 2), PLAIN
        y = PReLU(self.dtype)(Conv(self.width, 9, dtype=self.dtype)(x))
        y = Trunk(self.num_blocks, self.norm, self.dtype)(y, train=train)
        for _ in range(self.factor.bit_length() - 1):
            y = repack(y, packing=packing, into=PLAIN)
            y = Conv(2 * self.width, shuffle=pair, dtype=self.dtype)(y, into=pair)
            y, packing = PReLU(self.dtype)(y, packing=pair), pair
        skip = None
        if self.global_skip:
            skip = aligned_columns(
                x.astype(jnp.float32),
                factor=self.factor,
                offset=self.offset,
                interpolation="cubic",
            )
        return _output(y, skip, packing=packing, dtype=self.dtype)


def _output(
    y: jax.Array, skip: jax.Array | None, *, packing: Packing, dtype: DTypeLike
) -> jax.Array:
    """The last convolution, added to `skip` in float32 if there is one."""
    init = linear if skip is None else nn.initializers.zeros
    last = Conv(1, 9, kernel_init=init, dtype=dtype, name="output")
    image = repack(last(y, packing=packing, into=packing), packing=packing, into=PLAIN)
    image = image.astype(jnp.float32)
    return image if skip is None else skip.astype(jnp.float32) + image

"""A residual U-Net that works at half the resolution of its input.

Ronneberger et al. 2015 ("U-Net") with residual blocks; blocks of 2 x 2 pixels become
channels first (Shi et al. 2016), which loses nothing and saves most of the work of the
finest level. It adds a correction to the first channel of its input, and the last
kernel starts at zero, so that the untrained network returns that channel.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from sisr_jax.config import Config
from sisr_jax.image.padding import pad_to_multiple
from sisr_jax.image.shuffle import depth_to_space, space_to_depth
from sisr_jax.models.blocks import Conv, PReLU, ResidualBlock
from sisr_jax.operators import LinearOperator

# First estimates differ from each other, and from the truth, by hundredths of the
# range. In tenths of it the initial weights and the steps of Adam are of a useful size.
_CONTRAST = 10.0


class UNet(nn.Module):
    """Corrects an estimate, from itself and further estimates of the same image.

    Attributes:
        widths: Channels at 1/2, 1/4, 1/8 ... of the resolution.
        num_blocks: Residual blocks on the way down and on the way up at each level;
            the coarsest has both, the finest has those on the way up.
        dtype: Compute type of the layers; parameters and output are float32.

    Examples:
        >>> import jax
        >>> from sisr_jax.models import UNet
        >>> network = UNet(widths=(4, 8))
        >>> key, image = jax.random.key(0), jax.numpy.zeros((1, 16, 16, 1))
        >>> corrected = jax.eval_shape(
        ...     lambda: network.init_with_output(key, image, train=False)[0]
        ... )
        >>> corrected.shape
        (1, 16, 16, 1)
    """

    widths: Sequence[int] = (32, 64, 128)
    num_blocks: int = 1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        estimate: jax.Array,
        measurement: jax.Array | None = None,
        operator: LinearOperator | None = None,
        *,
        train: bool,
    ) -> jax.Array:
        """Restores `[B, H, W, C]` to `[B, H, W, 1]`, float32, unclipped.

        Args:
            estimate: The image to correct; further channels are other estimates.
            measurement: Not looked at.
            operator: Not looked at.
            train: Without effect; there is no normalisation.

        Where `2**len(widths)` does not divide height or width, the estimate is
        continued by its last row and column, and the result is cut.
        """
        del measurement, operator
        height, width = estimate.shape[1:3]
        estimate = pad_to_multiple(estimate, multiple=2 ** len(self.widths))
        first = estimate[..., :1].astype(jnp.float32)
        others = _CONTRAST * (estimate[..., 1:] - first)
        y = space_to_depth(jnp.concatenate([first, others], -1), 2)
        y = PReLU(self.dtype)(Conv(self.widths[0], dtype=self.dtype)(y))
        skips = []
        for channels in self.widths[1:]:
            skips.append(y)
            y = Conv(channels, 1, dtype=self.dtype)(space_to_depth(y, 2))
            y = self._blocks(PReLU(self.dtype)(y), train=train)
        y = self._blocks(y, train=train)
        for skip in reversed(skips):
            y = Conv(4 * skip.shape[-1], 1, dtype=self.dtype)(y)
            y = self._blocks(depth_to_space(y, 2) + skip, train=train)
        zeros = nn.initializers.zeros
        y = Conv(4, kernel_init=zeros, dtype=self.dtype, name="output")(y)
        correction = depth_to_space(y, 2).astype(jnp.float32) / _CONTRAST
        return (first + correction)[:, :height, :width]

    def _blocks(self, y: jax.Array, *, train: bool) -> jax.Array:
        for _ in range(self.num_blocks):
            y = ResidualBlock("none", self.dtype)(y, train=train)
        return y


def build(config: Config) -> UNet:
    """The U-Net of a configuration."""
    values = config.generator
    return UNet(values.widths, values.num_blocks, config.compute_dtype)

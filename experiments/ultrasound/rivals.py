"""Small networks in the manner of EDSR and of SwinIR, for one factor.

Both see the kept lines, `[batch, height, lines / factor, 1]`, work at that size, and
make columns of channels at the end; they correct the aligned cubic interpolation.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from sisr_jax.image.resize import aligned_columns
from sisr_jax.image.shuffle import depth_to_width
from sisr_jax.models.blocks import Conv


def _finish(y: jax.Array, lines: jax.Array, factor: int) -> jax.Array:
    """Channels to columns in one step, added to the interpolation."""
    zeros = nn.initializers.zeros
    correction = depth_to_width(Conv(factor, kernel_init=zeros)(y), factor)
    cubic = aligned_columns(lines, factor=factor, interpolation="cubic")
    return cubic + correction


class EDSR(nn.Module):
    """Residual blocks without normalisation, scaled (Lim et al. 2017).

    The baseline of that paper has 16 blocks of 64 channels; here, for a processor, the
    columns are made in one step.
    """

    factor: int
    width: int = 64
    num_blocks: int = 16

    @nn.compact
    def __call__(self, lines, measurement=None, operator=None, *, train: bool):
        """`[B, H, W, 1]` to `[B, H, W * factor, 1]`."""
        first = y = Conv(self.width)(lines)
        for _ in range(self.num_blocks):
            z = nn.relu(Conv(self.width)(y))
            y = y + 0.1 * Conv(self.width)(z)
        y = first + Conv(self.width)(y)
        return _finish(y, lines, self.factor)


class _Attention(nn.Module):
    """A Swin block: attention in windows, then two dense layers (Liu et al. 2021)."""

    heads: int
    window: tuple[int, int]
    is_shifted: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Keeps the shape `[B, H, W, C]`; the window divides height and width."""
        batch, height, width, channels = x.shape
        rows, columns = self.window
        shift = (rows // 2, columns // 2) if self.is_shifted else (0, 0)
        y = jnp.roll(nn.LayerNorm()(x), [-s for s in shift], (1, 2))

        def windows(y: jax.Array) -> jax.Array:
            shape = (-1, height // rows, rows, width // columns, columns, y.shape[-1])
            y = y.reshape(shape).swapaxes(2, 3)
            return y.reshape(-1, rows * columns, y.shape[-1])

        q, k, v = jnp.split(windows(nn.Dense(3 * channels)(y)), 3, -1)
        q, k, v = (
            each.reshape(*each.shape[:2], self.heads, -1).swapaxes(1, 2)
            for each in (q, k, v)
        )
        shares = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]) + self._bias()
        # What was rolled around the border is no neighbour.
        region = jnp.zeros((1, height, width, 1))
        for axis, s in zip((1, 2), shift, strict=True):
            if s:
                side = x.shape[axis]
                is_rolled = jnp.arange(side) >= side - s
                region += axis * is_rolled.reshape(-1, *[1] * (3 - axis))
        region = windows(region)[..., 0]
        apart = region[:, None, :] != region[:, :, None]
        apart = jnp.tile(apart, (batch, 1, 1))[:, None]
        shares = jax.nn.softmax(jnp.where(apart, -1e9, shares), -1)
        y = (shares @ v).swapaxes(1, 2)
        y = y.reshape(
            batch, height // rows, width // columns, rows, columns, channels
        ).swapaxes(2, 3)
        y = nn.Dense(channels)(y.reshape(x.shape))
        x = x + jnp.roll(y, shift, (1, 2))
        y = nn.gelu(nn.Dense(2 * channels)(nn.LayerNorm()(x)))
        return x + nn.Dense(channels)(y)

    def _bias(self) -> jax.Array:
        """Of relative positions, `[heads, window, window]`."""
        rows, columns = self.window
        shape = (2 * rows - 1, 2 * columns - 1, self.heads)
        table = self.param("bias", nn.initializers.normal(0.02), shape)
        row, column = np.divmod(np.arange(rows * columns), columns)
        down = row[:, None] - row + rows - 1
        across = column[:, None] - column + columns - 1
        return jnp.moveaxis(table[down, across], -1, 0)


class SwinIR(nn.Module):
    """Groups of Swin blocks with a convolution each (Liang et al. 2021).

    The lightweight one of that paper has 4 groups of 6 blocks of 60 channels and
    windows of 8 x 8; this one has fewer blocks and makes windows of what there is.
    """

    factor: int
    width: int = 60
    heads: int = 6
    num_groups: int = 3
    num_blocks: int = 2
    window: tuple[int, int] = (8, 8)

    @nn.compact
    def __call__(self, lines, measurement=None, operator=None, *, train: bool):
        """`[B, H, W, 1]` to `[B, H, W * factor, 1]`."""
        first = y = Conv(self.width)(lines)
        for _ in range(self.num_groups):
            z = y
            for block in range(self.num_blocks):
                z = _Attention(self.heads, self.window, block % 2 == 1)(z)
            y = y + Conv(self.width)(z)
        y = first + Conv(self.width)(nn.LayerNorm()(y))
        return _finish(y, lines, self.factor)

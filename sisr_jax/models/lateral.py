"""A residual U-Net that fills in missing scan lines, any of them, in one model.

It corrects the interpolation between the kept lines. It is told which lines these are:
beside the interpolation it sees, at each place, the kept line to the left, the one to
the right, and how far away they are. What lies between two lines is seldom level: of
some slopes it also sees what a straight interpolation along them gives, and how well
the two ends match; and of side information, if there is some, what it says. Lines are
missing along the width only, so that it works at half of the rows and a quarter of the
columns, lossless (Shi et al. 2016), and its levels go on from there. Kept lines leave
it as they were measured, to the bit.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from sisr_jax.config import Config
from sisr_jax.image.padding import pad_to_multiple
from sisr_jax.image.shuffle import (
    depth_to_space,
    depth_to_width,
    space_to_depth,
    width_to_depth,
)
from sisr_jax.models.blocks import Conv, PReLU, ResidualBlock
from sisr_jax.models.physics import check_physics
from sisr_jax.operators import LinearOperator
from sisr_jax.ultrasound.between_lines import (
    GAP,
    Between,
    between,
    cubic_matrix,
    line_matrix,
)
from sisr_jax.ultrasound.side_information import SideInformation

# Kept lines differ from what is interpolated between them by tenths of the range or
# less; in such units the initial weights and the steps of Adam are of a useful size.
_CONTRAST = 10.0
# A line that is not there is as far away as this many gaps.
_NOWHERE = 2.0


class LateralUNet(nn.Module):
    """Fills in scan lines between those of a measurement.

    Attributes:
        widths: Channels at 1/2, 1/4, 1/8 ... of the rows and 1/4, 1/8, 1/16 ... of the
            columns.
        num_blocks: Residual blocks on the way down and on the way up at each level;
            the coarsest has both, the finest has those on the way up.
        slopes: Rows for each column, of the interpolations that it also sees.
        dtype: Compute type of the layers; interpolation, parameters and output are
            float32.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from sisr_jax.models import LateralUNet
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> network = LateralUNet(widths=(8, 8))
        >>> seen = None, jnp.ones((1, 8, 4)), LateralDecimation(4)
        >>> variables = network.init(jax.random.key(0), *seen, train=False)
        >>> network.apply(variables, *seen, train=False).shape
        (1, 8, 16, 1)
    """

    widths: Sequence[int] = (48, 96, 160)
    num_blocks: int = 1
    slopes: Sequence[float] = ()
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        estimate: jax.Array,
        measurement: jax.Array | None = None,
        operator: LinearOperator | None = None,
        side: SideInformation | None = None,
        *,
        train: bool,
    ) -> jax.Array:
        """Restores images `[B, H, W, 1]`, float32, unclipped.

        Args:
            estimate: Not looked at.
            measurement: Kept lines `[B, H, kept]`, or what `KeptLines` makes.
            operator: `LateralDecimation` or `KeptLines`: its transpose puts lines in
                their places.
            side: What else is known of the lines between, if the network is to be told:
                further channels of what it sees.
            train: Without effect; there is no normalisation.

        Raises:
            ValueError: If measurement or operator is missing.
        """
        measurement, operator = check_physics(measurement, operator)
        del estimate
        measurement = measurement.astype(jnp.float32)
        placed = operator.transpose(measurement)
        kept = operator.transpose(jnp.ones_like(measurement[:, :1]))[:, 0] > 0
        first, seen = _seen(placed, kept, self.slopes)
        if side is not None:
            levels = _CONTRAST * (side.levels - first[..., None])
            seen = jnp.concatenate([seen, levels, side.marks], -1)
        height, width = placed.shape[1:]
        seen = pad_to_multiple(seen, multiple=2 ** (len(self.widths) + 1))
        y = space_to_depth(width_to_depth(seen, 2), 2)
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
        y = Conv(8, kernel_init=zeros, dtype=self.dtype, name="output")(y)
        correction = depth_to_width(depth_to_space(y, 2), 2).astype(jnp.float32)
        image = first + correction[:, :height, :width, 0] / _CONTRAST
        return jnp.where(kept[:, None], placed, image)[..., None]

    def _blocks(self, y: jax.Array, *, train: bool) -> jax.Array:
        for _ in range(self.num_blocks):
            y = ResidualBlock("none", self.dtype)(y, train=train)
        return y


def _seen(
    placed: jax.Array, kept: jax.Array, slopes: Sequence[float]
) -> tuple[jax.Array, jax.Array]:
    """The interpolation `[B, H, W]`, and the channels that the network sees."""
    places = between(kept)
    matrices = jnp.stack(
        [cubic_matrix(places), line_matrix(places.left), line_matrix(places.right)], 1
    )
    found = jnp.einsum(
        "bkvw,bhw->bkhv", matrices, placed, precision=jax.lax.Precision.HIGHEST
    )
    first, left, right = jnp.moveaxis(found, 1, 0)
    index = jnp.arange(placed.shape[-1])
    distances = (
        jnp.where(there, jnp.abs(index - place) / GAP, _NOWHERE)
        for place, there in (
            (places.left, places.left <= index),
            (places.right, places.right >= index),
        )
    )
    channels = [
        first,
        _CONTRAST * (left - first),
        _CONTRAST * (right - first),
        *(jnp.broadcast_to(each[:, None], first.shape) for each in distances),
    ]
    for slope in slopes:
        level, mismatch = _along(slope, left, right, places)
        channels += [_CONTRAST * (level - first), _CONTRAST * mismatch]
    return first, jnp.stack(channels, -1)


def _along(
    slope: float, left: jax.Array, right: jax.Array, places: Between
) -> tuple[jax.Array, jax.Array]:
    """Interpolates `[B, H, W]` along a slope, and the difference of the two ends.

    Args:
        slope: Rows for each column.
        left: The kept line to the left of each.
        right: The kept line to the right.
        places: Which lines these are.
    """
    height, width = left.shape[1:]
    index = jnp.arange(width)
    # Beyond the ends both are one line, as far away.
    ends = []
    for image, place in ((left, places.left), (right, places.right)):
        shift = jnp.rint(slope * (place - index)).astype(jnp.int32)
        rows = jnp.arange(height)[:, None] + shift[:, None]
        rows = jnp.clip(rows, 0, height - 1)
        ends.append(jnp.take_along_axis(image, rows, axis=1))
    gap = jnp.maximum(places.right - places.left, 1)
    share = ((index - places.left) / gap)[:, None]
    share = jnp.clip(share, 0, 1)
    return ends[0] + share * (ends[1] - ends[0]), ends[1] - ends[0]


def build(config: Config) -> LateralUNet:
    """The network of a configuration."""
    values = config.generator
    return LateralUNet(
        values.widths, values.num_blocks, values.slopes, config.compute_dtype
    )

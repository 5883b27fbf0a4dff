"""Ultrasound with fewer scan lines."""

import dataclasses

import jax

from sisr_jax.degradation.degradation import Degradation, planes_of
from sisr_jax.types import DegradedImage, Image, Keys, Measurement
from sisr_jax.ultrasound import LateralDecimation


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class _LateralDecimation(Degradation):
    """Lines that are kept, and nothing done to them."""

    operator: LateralDecimation

    def measure(self, keys: Keys, hr: Image) -> Measurement:
        """Lines `[batch, height, width // factor]`."""
        del keys
        return Measurement(self.operator(planes_of(hr)), self.operator)

    def estimate(self, measurement: Measurement) -> DegradedImage:
        """The lines as an image, `[batch, height, width // factor, 1]`."""
        return measurement.values[..., None]


def lateral_decimation(*, factor: int, offset: int = 0) -> Degradation:
    """Ultrasound with fewer scan lines: keep every `factor`-th column.

    Args:
        factor: Columns for each kept one; must divide the width.
        offset: First kept column, `0 <= offset < factor`.

    Returns:
        A function `(key, hr[batch, height, width, 1])` to
        `[batch, height, width // factor, 1]`.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from sisr_jax.degradation import lateral_decimation
        >>> hr = jnp.tile(jnp.arange(8) / 8, (1, 2, 1))[..., None]
        >>> print(lateral_decimation(factor=4)(jax.random.key(0), hr)[0, ..., 0])
        [[0.  0.5]
         [0.  0.5]]
    """
    return _LateralDecimation(LateralDecimation(factor, offset))

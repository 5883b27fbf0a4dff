"""Ultrasound with fewer scan lines."""

import dataclasses

import jax

from sisr_jax.degradation.acquisition import Degradation
from sisr_jax.types import DegradedImage, Image, Keys
from sisr_jax.ultrasound import decimate_columns


def lateral_decimation(factor: int = 4, offset: int = 0) -> Degradation:
    """Ultrasound with fewer scan lines: keep every `factor`-th column.

    Args:
        factor: Columns for each kept one; must divide the width.
        offset: First kept column, `0 <= offset < factor`.

    Returns:
        A function `(key, hr[batch, height, width, 1])` to
        `[batch, height, width // factor, 1]`.
    """
    return _LateralDecimation(factor, offset)


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class _LateralDecimation:
    factor: int
    offset: int

    def __call__(self, key: Keys, hr: Image) -> DegradedImage:
        del key
        lines = decimate_columns(hr[..., 0], factor=self.factor, offset=self.offset)
        return lines[..., None]

"""Uniform discs in air, as in the phantoms that scanners are tested with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sisr_jax.data.phantoms.ct import AIR_HU

# Points along each side of a pixel whose mean it has.
_POINTS = 8


class Disc(NamedTuple):
    """A disc in pixels; `(0, 0)` is the middle of the first pixel.

    Attributes:
        row: Of its centre.
        column: Of its centre.
        radius: Above 0.
        hu: Its value.
    """

    row: float
    column: float
    radius: float
    hu: float

    def distance(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Distance of points to the centre, in pixels."""
        return np.hypot(rows - self.row, columns - self.column)

    def mask(self, size: int, *, share: float = 1.0) -> np.ndarray:
        """Pixels of an image whose middle is within a share of the radius."""
        rows, columns = np.mgrid[:size, :size]
        return self.distance(rows, columns) <= share * self.radius


def draw_discs(size: int, discs: Sequence[Disc]) -> np.ndarray:
    """Draws discs over each other, the last on top.

    A pixel has the mean over its area: that of 8 x 8 points.

    Args:
        size: Height and width in pixels.
        discs: From the lowest to the topmost.

    Returns:
        float32 `[size, size]` in HU; -1000 outside.
    """
    image = np.full((size, size), AIR_HU)
    points = (np.arange(size * _POINTS) + 0.5) / _POINTS - 0.5
    for disc in discs:
        inside = disc.distance(points[:, None], points) <= disc.radius
        blocks = inside.reshape(size, _POINTS, size, _POINTS)
        image += blocks.mean((1, 3)) * (disc.hu - image)
    return image.astype(np.float32)

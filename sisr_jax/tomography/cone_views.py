"""Which rays a scanner with several rows measures: cone beams around an axis.

The plane across the axis is that of `FanBeam`. Heights grow with the rows of the
detector, which is part of a cylinder: its axis is parallel to that of the scanner and
passes through the focal centre of the view. A focal spot that flies moves around that
centre, and the detector stays where it is.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class ConeViews(NamedTuple):
    """Where the rays of cone-beam views are: one source and one cylinder a view.

    Lengths are millimetres, angles radians; arrays are float64 `[views]`.

    Attributes:
        angles: Of the focal centres, as those of `FanBeam`, without jumps.
        heights_mm: Of the focal centres, along the axis.
        angle_shifts: From focal centre to focal spot.
        height_shifts_mm: From focal centre to focal spot.
        radius_shifts_mm: From focal centre to focal spot, away from the axis.
        source_to_origin_mm: From the focal centres to the axis.
        source_to_detector_mm: From the focal centres to the detector.
        num_rows: Of the detector.
        num_columns: Of the detector.
        row_pitch_mm: From the middle of one row to the middle of the next.
        column_pitch_mm: The same of columns, along the arc.
        central_row: Index of the row at the height of the focal centre; with fractions.
        central_column: Index of the column that faces the axis; with fractions.
    """

    angles: np.ndarray
    heights_mm: np.ndarray
    angle_shifts: np.ndarray
    height_shifts_mm: np.ndarray
    radius_shifts_mm: np.ndarray
    source_to_origin_mm: float
    source_to_detector_mm: float
    num_rows: int
    num_columns: int
    row_pitch_mm: float
    column_pitch_mm: float
    central_row: float
    central_column: float

    @property
    def column_angles(self) -> Float[np.ndarray, " columns"]:
        """Of the columns, seen from the focal centre."""
        columns = np.arange(self.num_columns) - self.central_column
        return columns * self.column_pitch_mm / self.source_to_detector_mm

    def at(self, indices: Int[np.ndarray, " some"]) -> "ConeViews":
        """Some of the views."""
        names = ("angles", "heights_mm")
        names += ("angle_shifts", "height_shifts_mm", "radius_shifts_mm")
        return self._replace(**{name: getattr(self, name)[indices] for name in names})

"""The section about sparse views of a fan-beam scanner."""

import dataclasses
import math
from typing import Annotated, ClassVar, Literal, Self

from sisr_jax.config.checks import check
from sisr_jax.config.data import Data
from sisr_jax.config.ranges import Range
from sisr_jax.config.scans import (
    Exposure,
    Factor,
    Filter,
    PixelWidth,
    check_same_factor,
    check_views,
)

_Length = Annotated[float, Range(0, 1e5, above=True)]
# Twice what a whole scan of 1,000 views with 900 detectors takes for 512 rows.
_MOST_ENTRIES = 2**30
_Count = Annotated[int, Range(1, 2**16)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparseViewFanCT:
    """Sparse-view CT of a fan-beam scanner: keep every `factor`-th view, then FBP.

    Attributes:
        kind: Which degradation.
        num_angles: Views of the full scan, over a whole turn.
        factor: Every how many-th is kept.
        source_to_origin_mm: From the source to the rotation centre.
        source_to_detector_mm: From the source to the middle of the detectors.
        num_detectors: Detectors of a view.
        detector_pitch_mm: From one detector to the next, along the detector.
        detector: `flat`, or an `arc` around the source.
        detector_offset_mm: Coordinate of the middle of the detectors; a quarter of the
            pitch in many scanners.
        pixel_mm: Width of a pixel of the images.
        dose: Photons of the scan.
        filter_name: Filter of the back-projection.
    """

    kind: Literal["sparse_view_fan_ct"]
    num_angles: _Count
    factor: Factor
    source_to_origin_mm: _Length
    source_to_detector_mm: _Length
    num_detectors: _Count
    detector_pitch_mm: _Length
    detector: Literal["flat", "arc"]
    detector_offset_mm: Annotated[float, Range(-1e5, 1e5)]
    pixel_mm: PixelWidth
    dose: Exposure
    filter_name: Filter
    measures: ClassVar[str] = "fan-beam views"
    of_square: ClassVar[bool] = True
    side_information: ClassVar[str] = ""

    @property
    def width_factor(self) -> int:
        """Columns of the image for each of the first estimate: as many."""
        return 1

    @property
    def covered_mm(self) -> float:
        """Radius of the circle around the rotation centre that every view covers."""
        half = self.num_detectors * self.detector_pitch_mm / 2
        ratio = (half - abs(self.detector_offset_mm)) / self.source_to_detector_mm
        angle = math.atan(ratio) if self.detector == "flat" else ratio
        return self.source_to_origin_mm * math.sin(angle)

    def every(self, factor: int) -> Self:
        """Every so many-th view.

        Raises:
            ConfigError: If that is another factor, for which a network is not made.
        """
        check_same_factor(factor, own=self.factor)
        return self

    def check(self, data: Data) -> None:
        """Raises ConfigError for values that do not go with the images."""
        check_views(data, factor=self.factor, num_angles=self.num_angles)
        radius = data.shape[0] * self.pixel_mm / 2
        corner = radius * math.sqrt(2)
        check(
            self.source_to_origin_mm > corner,
            "degradation.source_to_origin_mm",
            self.source_to_origin_mm,
            f"a source outside of the image, whose corners are at {corner:g} mm",
        )
        check(
            self.source_to_detector_mm >= self.source_to_origin_mm,
            "degradation.source_to_detector_mm",
            self.source_to_detector_mm,
            f"at least degradation.source_to_origin_mm = {self.source_to_origin_mm}",
        )
        length = self.num_detectors * self.detector_pitch_mm
        reach = length / 2 + abs(self.detector_offset_mm)
        check(
            self.detector == "flat" or reach < self.source_to_detector_mm * math.pi / 2,
            "degradation.detector_pitch_mm",
            self.detector_pitch_mm,
            f"an arc of less than half a turn, not {length:g} mm long",
        )
        check(
            self.covered_mm >= radius,
            "degradation.num_detectors",
            self.num_detectors,
            f"rays through all of the circle of {radius:g} mm that the image holds, "
            f"not of {self.covered_mm:g} mm",
        )
        entries = -(-self.num_angles // self.factor) * self.num_detectors
        entries *= data.shape[0]
        check(
            entries <= _MOST_ENTRIES,
            "degradation.num_angles",
            self.num_angles,
            f"at most {_MOST_ENTRIES:,} kept views times detectors times rows of the "
            f"image, whose table is held in memory, not {entries:,}",
        )
        self.dose.check(data)

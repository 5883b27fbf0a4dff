"""Which rays a fan-beam scanner measures: one source, one row of detectors.

Lengths are millimetres, angles radians. With `x` to the right and `y` upwards from the
rotation centre, the source of the view at angle `b` is at `(-sin b, cos b)` times its
distance, and detector coordinate `u` grows along `(cos b, sin b)`. A ray at fan angle
`g` from the central one (`tan g = u / source_to_detector_mm` for a flat detector, `g =
u / source_to_detector_mm` for an arc) is the line `x cos t + y sin t = s` with
`t = b + g` and `s = source_to_origin_mm * sin g`: with a source that is far away, view
`b` is that of `ParallelBeam`.

Both grids are centred: the rotation centre is the middle of the image, between its
pixels if their number is even (`ParallelBeam`, as scikit-image, has it on a pixel), and
the middle of the detectors is at `u = detector_offset_mm`.
"""

import dataclasses
import math
from typing import Any, Literal, NamedTuple, get_args

import jax
import numpy as np
from jaxtyping import Float

from sisr_jax.geometries import host_numbers, whole_number
from sisr_jax.tomography.geometry import (
    Angles,
    checked_angles,
    every_kth,
    in_arc,
    warn_of_degrees,
)

Detector = Literal["flat", "arc"]


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, init=False, repr=False)
class FanBeam:
    """A set of fan-beam views of a square image.

    Immutable, hashable and comparable, and a pytree without leaves, as `ParallelBeam`.

    Attributes:
        size: Height and width of the image in pixels.
        pixel_mm: Side of a pixel.
        source_to_origin_mm: From the source to the rotation centre.
        source_to_detector_mm: From the source to the middle of the detectors, along
            the central ray.
        num_detectors: Detectors of a view.
        detector_pitch_mm: From the middle of one to the middle of the next, along the
            detector.
        detector: `flat`, or an `arc` around the source (equal fan angles).
        detector_offset_mm: Coordinate of the middle of the detectors.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.tomography import FanBeam
        >>> fan = FanBeam(
        ...     size=16,
        ...     pixel_mm=2.0,
        ...     source_to_origin_mm=100.0,
        ...     source_to_detector_mm=200.0,
        ...     num_detectors=33,
        ...     detector_pitch_mm=4.0,
        ...     angles=2 * np.pi * np.arange(24) / 24,
        ... )
        >>> print(fan.pitch_at_origin_mm, "mm from ray to ray in the middle")
        2.0 mm from ray to ray in the middle
        >>> fan.every(4).num_angles
        6
    """

    size: int
    pixel_mm: float
    source_to_origin_mm: float
    source_to_detector_mm: float
    num_detectors: int
    detector_pitch_mm: float
    detector: Detector
    detector_offset_mm: float
    _radians: tuple[float, ...]

    def __init__(
        self,
        *,
        size: int,
        pixel_mm: float,
        source_to_origin_mm: float,
        source_to_detector_mm: float,
        num_detectors: int,
        detector_pitch_mm: float,
        angles: Angles,
        detector: Detector = "flat",
        detector_offset_mm: float = 0.0,
    ) -> None:
        """Takes the numbers of a scanner, see the class; angles are radians.

        Raises:
            TypeError: If a number of pixels or detectors is no whole number, or jax
                traces a value.
            ValueError: If a length is not positive and finite, the source is within
                the image or beyond the detector, the kind of detector is unknown, an
                arc is wider than half a turn, or there is no angle or one that is not
                finite.

        Warns:
            UserWarning: If the angles look like degrees.
        """
        lengths = {
            "pixel_mm": pixel_mm,
            "source_to_origin_mm": source_to_origin_mm,
            "source_to_detector_mm": source_to_detector_mm,
            "detector_pitch_mm": detector_pitch_mm,
            "detector_offset_mm": detector_offset_mm,
        }
        lengths = {name: _length(name, value) for name, value in lengths.items()}
        size = whole_number("size", size, "pixels along a side")
        num_detectors = whole_number("num_detectors", num_detectors, "detectors")
        for name, count in ("size", size), ("num_detectors", num_detectors):
            if count < 1:
                raise ValueError(f"{name} = {count}: expected at least 1")
        for name, length in lengths.items():
            if length <= 0 and name != "detector_offset_mm":
                raise ValueError(f"{name} = {length}: expected a length above 0")
        if detector not in get_args(Detector):
            raise ValueError(
                f"detector = {detector!r}: expected one of {get_args(Detector)}"
            )
        corner = size * lengths["pixel_mm"] / math.sqrt(2)
        if lengths["source_to_origin_mm"] <= corner:
            raise ValueError(
                f"source_to_origin_mm = {source_to_origin_mm}: expected a source "
                f"outside of the image, whose corners are at {corner:g} mm"
            )
        if lengths["source_to_detector_mm"] < lengths["source_to_origin_mm"]:
            raise ValueError(
                f"source_to_detector_mm = {source_to_detector_mm}: expected at least "
                f"source_to_origin_mm = {source_to_origin_mm}"
            )
        radians = checked_angles(angles)
        warn_of_degrees("angles", radians)
        values: dict[str, Any] = {
            "size": size,
            "num_detectors": num_detectors,
            "detector": detector,
        }
        values |= lengths | {"_radians": tuple(radians.tolist())}
        for name, value in values.items():
            object.__setattr__(self, name, value)
        widest = np.abs(self.fan_angles).max()
        if widest >= math.pi / 2:
            raise ValueError(
                f"num_detectors = {num_detectors} of {detector_pitch_mm} mm on an arc: "
                f"expected fan angles below 90 degrees, found {math.degrees(widest):g}"
            )

    @property
    def angles(self) -> Float[np.ndarray, " angles"]:
        """View angles in radians, float64, read-only."""
        return np.frombuffer(np.asarray(self._radians, np.float64).tobytes())

    @property
    def num_angles(self) -> int:
        """Number of views."""
        return len(self._radians)

    @property
    def fan_angles(self) -> Float[np.ndarray, " detectors"]:
        """Angle of each detector's ray from the central ray, in radians, float64."""
        middle = (self.num_detectors - 1) / 2
        u = (np.arange(self.num_detectors) - middle) * self.detector_pitch_mm
        ratio = (u + self.detector_offset_mm) / self.source_to_detector_mm
        return np.arctan(ratio) if self.detector == "flat" else ratio

    @property
    def pitch_at_origin_mm(self) -> float:
        """Distance of neighbouring rays where the central one meets the centre."""
        share = self.source_to_origin_mm / self.source_to_detector_mm
        return self.detector_pitch_mm * share

    def every(self, k: int) -> "FanBeam":
        """Keeps views 0, k, 2k, ..., see `ParallelBeam.every`.

        Raises:
            TypeError: If `k` is no whole number.
            ValueError: If it is below 1.
        """
        return self._of(every_kth(self._radians, k))

    def within(self, first: int | float, last: int | float) -> "FanBeam":
        """Keeps the views of an arc, from `first` to `last` in radians.

        Raises:
            ValueError: If no view lies in the arc.

        Warns:
            UserWarning: If the ends look like degrees.
        """
        return self._of(in_arc(self._radians, first, last))

    def _of(self, radians: tuple[float, ...]) -> "FanBeam":
        """Some of the views, which were checked when this fan was made."""
        fan = object.__new__(FanBeam)
        for field in dataclasses.fields(self):
            object.__setattr__(fan, field.name, getattr(self, field.name))
        object.__setattr__(fan, "_radians", radians)
        return fan

    def __repr__(self) -> str:
        return (
            f"FanBeam(size={self.size}, pixel_mm={self.pixel_mm:g}, "
            f"num_angles={self.num_angles}, num_detectors={self.num_detectors}, "
            f"detector={self.detector!r})"
        )


class FanScan(NamedTuple):
    """What a fan-beam scanner measured.

    Attributes:
        sinogram: Line integrals of the attenuation, without unit: float32 `[views,
            detectors]`.
        fan: The rays, and the image they are to become.
    """

    sinogram: np.ndarray
    fan: FanBeam


def _length(name: str, value: float) -> float:
    number = host_numbers(name, value)
    if number.shape or not np.isfinite(number):
        raise ValueError(f"{name} = {value}: expected one finite number, in mm")
    return float(number)

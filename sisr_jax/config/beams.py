"""The section about ultrasound in beam space, recorded or simulated."""

import dataclasses
from typing import Annotated, ClassVar, Literal

from sisr_jax.config.checks import check
from sisr_jax.config.columns import KeptColumns
from sisr_jax.config.data import Data
from sisr_jax.config.ranges import Names, Range, Weight

# What `ultrasound.arrays` knows, and whether its lines meet.
ARRAYS = {"linear": False, "curved": True, "endocavity": True}

_Radius = Annotated[float, Range(0, 1e5)]
_Degrees = Annotated[float, Range(-180, 180)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cine:
    """Frames before and after, of which a network sees the kept lines, too.

    Attributes:
        frames: How many with the one in the middle, which is restored; 1: no others.
        interleave: Lines by which the first kept one moves from frame to frame; 0:
            all frames keep the same lines.
        motion_mm: From frame to frame, how far simulated tissue moves along the lines
            and across them, standard deviation.
    """

    frames: Annotated[int, Range(1, 15)]
    interleave: Annotated[int, Range(0, 2**16)]
    motion_mm: Annotated[float, Range(0, 10)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BeamDecimation(KeptColumns):
    """Ultrasound before scan conversion: keep every `factor`-th line.

    Attributes:
        kind: Which degradation.
        factor: See `KeptColumns`.
        offset: See `KeptColumns`.
        arrays: Which of them draw the frames: one for each image, with a focus,
            F-numbers and tissue of its own, from maps of echo strength. None: images
            are frames that were recorded.
        radii_mm: Of the first and last sample of recorded frames, from the apex.
        angles_deg: Of their first and last line, 0 straight ahead; (0, 0) where nobody
            knows. Simulated frames have the geometry of their array.
        pixel_mm: Side of the pixels of scan-converted pictures, which are scored
            beside the beams; 0: none.
        picture_weight: Weight of the pixel loss of the pictures.
        signal: What is kept of a line: `level`, what is shown of it; or `iq`, its
            complex samples, which networks see beside that. Of simulated frames.
        cine: Other frames, likewise.
    """

    kind: Literal["beam_decimation"]
    arrays: tuple[Annotated[str, Names(ARRAYS)], ...]
    radii_mm: tuple[_Radius, _Radius]
    angles_deg: tuple[_Degrees, _Degrees]
    pixel_mm: Annotated[float, Range(0, 100)]
    picture_weight: Weight
    signal: Literal["level", "iq"]
    cine: Cine
    measures: ClassVar[str] = "columns"

    @property
    def side_information(self) -> str:
        """What a measurement has beyond what an image explains; empty: nothing."""
        if self.signal == "iq":
            return "IQ"
        return f"{self.cine.frames} frames" if self.cine.frames > 1 else ""

    def check(self, data: Data) -> None:
        """Raises ConfigError for values that do not go with the images."""
        super().check(data)
        check(
            bool(self.arrays) == (data.source == "echo_maps"),
            "degradation.arrays",
            self.arrays,
            "some for data.source = 'echo_maps', which are no frames, and none for any "
            "other",
        )
        check(
            not self.arrays or data.window[1] <= 0,
            "data.window",
            data.window,
            "dB, which end at 0 or below, where frames are simulated",
        )
        known = self.angles_deg[0] != self.angles_deg[1]
        check(
            not known or (not self.arrays and self.radii_mm[0] < self.radii_mm[1]),
            "degradation.angles_deg",
            self.angles_deg,
            f"(0, 0), or those of frames recorded at degradation.radii_mm = "
            f"{self.radii_mm}, which rise",
        )
        check(
            not self.arrays or self.radii_mm == (0, 0),
            "degradation.radii_mm",
            self.radii_mm,
            "(0, 0), as simulated frames have those of their array",
        )
        check(
            self.signal == "level" or bool(self.arrays),
            "degradation.signal",
            self.signal,
            "'level', as recorded frames have no IQ",
        )
        frames = self.cine.frames
        check(
            frames == 1
            or (frames % 2 == 1 and self.signal == "level" and bool(self.arrays)),
            "degradation.cine.frames",
            frames,
            "1, or an odd number of simulated frames with degradation.signal = 'level'",
        )
        cine = self.cine
        check(
            cine.interleave == 0 or (frames > 1 and cine.interleave % self.factor > 0),
            "degradation.cine.interleave",
            cine.interleave,
            "0, or of more than one of degradation.cine.frames a number that is no "
            f"multiple of degradation.factor = {self.factor}: all keep the same lines",
        )
        check(
            cine.motion_mm == 0 or frames > 1,
            "degradation.cine.motion_mm",
            cine.motion_mm,
            "0, as there is one frame, degradation.cine.frames",
        )
        is_curved = len(self.arrays) == 1 and ARRAYS[self.arrays[0]]
        check(
            self.pixel_mm == 0 or known or is_curved,
            "degradation.pixel_mm",
            self.pixel_mm,
            "0, or the angles of a recording, or one array whose lines meet",
        )
        check(
            self.picture_weight == 0
            or (self.pixel_mm > 0 and data.patch == data.shape),
            "degradation.picture_weight",
            self.picture_weight,
            "0, or pictures of whole frames: degradation.pixel_mm above 0, and "
            f"data.patch = data.shape = {data.shape}",
        )

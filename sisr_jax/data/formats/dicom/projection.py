"""DICOM-CT-PD: one view of a CT scanner, as its detector measured it.

Chen et al. (2015), "Technical note: Development and validation of an open data format
for CT projection data", Medical Physics 42(12), 6964-6972; the private elements are
those of table IV in Moen et al. (2021), "Low-dose CT image and projection dataset",
Medical Physics 48(2), 902-911, which public scans are stored in.

Written without value representations, private elements come as bytes: they are decoded
as the dictionary of the format has them.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydicom.uid import ExplicitVRBigEndian

from sisr_jax.data.formats.dicom.frames import decode_frame, stored_values
from sisr_jax.data.formats.dicom.groups import numbers_of, words_of
from sisr_jax.data.formats.dicom.layout import LAYOUT_ELEMENTS, Layout, layout_of
from sisr_jax.data.formats.dicom.opening import Opened, open_dicom
from sisr_jax.data.formats.dicom.values import VALUE_ELEMENTS, Rescale, transform_of
from sisr_jax.data.transforms import check_finite
from sisr_jax.errors import InputError, one_line

# Tag, what bytes are, and the bounds of its numbers: mm, radians or elements.
_MM, _ANGLE, _HEIGHT = (1e-6, 1e4), (-1e4, 1e4), (-1e5, 1e5)
_NUMBERS: dict[str, tuple[int, str, tuple[float, float]]] = {
    "NumberofDetectorRows": (0x70291010, "u2", (1, 2**12)),
    "NumberofDetectorColumns": (0x70291011, "u2", (2, 2**12)),
    "DetectorElementTransverseSpacing": (0x70291002, "f4", _MM),
    "DetectorElementAxialSpacing": (0x70291006, "f4", _MM),
    "DetectorFocalCenterAngularPosition": (0x70311001, "f4", _ANGLE),
    "DetectorFocalCenterAxialPosition": (0x70311002, "f4", _HEIGHT),
    "DetectorFocalCenterRadialDistance": (0x70311003, "f4", _MM),
    "ConstantRadialDistance": (0x70311031, "f4", _MM),
    "DetectorCentralElement": (0x70311033, "f4", (1, 2**12)),
    # A focal spot flies some millimetres.
    "SourceAngularPositionShift": (0x7033100B, "f4", (-0.1, 0.1)),
    "SourceAxialPositionShift": (0x7033100C, "f4", (-50, 50)),
    "SourceRadialDistanceShift": (0x7033100D, "f4", (-50, 50)),
    "NumberofSpectra": (0x70331061, "u2", (1, 2**12)),
    "WaterAttenuationCoefficient": (0x70411001, "text", (1e-3, 1)),
}
_WORDS = {"DetectorShape": 0x7029100B, "LogFlag": 0x70391009}
_ELEMENTS = (
    *("InstanceNumber", "PatientPosition", *LAYOUT_ELEMENTS, *VALUE_ELEMENTS),
    *(tag for tag, *_ in _NUMBERS.values()),
    *_WORDS.values(),
)


class ProjectionHeader(NamedTuple):
    """Where a view was measured, as the file says it: mm, radians, elements from 1.

    Attributes:
        number: Of the view in the scan.
        rows: Of the detector.
        columns: Of the detector.
        row_pitch: At the detector.
        column_pitch: At the detector, along its arc.
        angle: Of the focal centre: 0 above the axis, anti-clockwise as seen from the
            table.
        height: Of the focal centre, from the table towards the gantry.
        radius: From focal centre to axis.
        distance: From focal centre to detector.
        central_column: Which faces the axis. Column 1 is on the left as seen from the
            table when the source is above.
        central_row: At the height of the focal centre. Row 1 is farthest from the
            table.
        shifts: From focal centre to focal spot: angle, height, radius.
        water: Attenuation of water per mm; None if it is not said.
        position: Of the patient (`HFS`); empty if it is not said.
    """

    number: int
    rows: int
    columns: int
    row_pitch: float
    column_pitch: float
    angle: float
    height: float
    radius: float
    distance: float
    central_column: float
    central_row: float
    shifts: tuple[float, float, float]
    water: float | None
    position: str


def check_projection(path: Path) -> ProjectionHeader:
    """Header of what `read_projection` will be able to read.

    Raises:
        InputError: If the file is no DICOM, or no view of a cylindrical detector in
            DICOM-CT-PD: an element is missing, of another kind or out of bounds, the
            pixels are not those of the detector, no line integrals, or the scan has
            several spectra.
    """
    with open_dicom(path, elements=_ELEMENTS) as opened:
        return _check(path, opened)[0]


def read_projection(path: Path) -> np.ndarray:
    """Line integrals without unit: float32 `[rows, columns]` of the detector.

    Raises:
        InputError: As `check_projection`, or if the pixels cannot be decoded.
    """
    with open_dicom(path, elements=_ELEMENTS) as opened:
        header, layout, rescale = _check(path, opened)
        words = decode_frame(path, opened, layout, 0)
        values = rescale(stored_values(words, layout)).astype(np.float32)
    check_finite(values, name=str(path))
    # Scanners' files hold one column after the other, the format's manual says rows.
    return values if values.shape == (header.rows, header.columns) else values.T


def _check(path: Path, opened: Opened) -> tuple[ProjectionHeader, Layout, Rescale]:
    little = opened.uid != ExplicitVRBigEndian
    values = {name: _numbers(path, opened.header, name, little) for name in _NUMBERS}
    for name, (tag, *_) in _NUMBERS.items():
        count = 2 if name == "DetectorCentralElement" else 1
        optional = name in ("NumberofSpectra", "WaterAttenuationCoefficient")
        found = len(values[name])
        if found != count and not (optional and not found):
            raise InputError(
                f"{path}: {found} values of {name} {_shown(tag)}, expected "
                f"{count} as in every view of DICOM-CT-PD"
            )
    shape, log = (_word(path, opened.header, name) for name in _WORDS)
    if shape != "CYLINDRICAL":
        raise InputError(
            f"{path}: DetectorShape (7029,100B) = {one_line(shape or 'none')}: "
            "expected CYLINDRICAL"
        )
    if log not in ("", "YES"):
        raise InputError(
            f"{path}: LogFlag (7039,1009) = {one_line(log)}: expected YES, line "
            "integrals"
        )
    if max(values["NumberofSpectra"], default=1) > 1:
        raise InputError(
            f"{path}: NumberofSpectra (7033,1061) = {values['NumberofSpectra'][0]:g}: "
            "expected 1, as views of several do not make one scan"
        )
    header = _header_of(path, opened.header, values)
    layout = layout_of(path, opened, modality="CT")
    detector = header.rows, header.columns
    if layout.frames != 1 or sorted(layout.shape) != sorted(detector):
        raise InputError(
            f"{path}: {layout.frames} frames of {layout.shape[0]}x{layout.shape[1]} "
            f"pixels, expected one of the detector's {detector[0]}x{detector[1]}"
        )
    if header.rows == header.columns > 1:
        raise InputError(
            f"{path}: a detector of as many rows as columns, {header.rows}: which are "
            "which cannot be told"
        )
    rescale = transform_of(path, [opened.header], dtype=layout.dtype)
    if not isinstance(rescale, Rescale):
        raise InputError(f"{path}: DICOM-CT-PD without rescale slope and intercept")
    return header, layout, rescale


def _header_of(
    path: Path, header: Any, values: dict[str, list[float]]
) -> ProjectionHeader:
    number = header.get("InstanceNumber")
    if not isinstance(number, int):
        raise InputError(f"{path}: no InstanceNumber (0020,0013), the order of views")
    position = "".join(words_of(header.get("PatientPosition"))[:1])
    [rows], [columns] = (
        values["NumberofDetectorRows"],
        values["NumberofDetectorColumns"],
    )
    shifts = ("SourceAngularPositionShift", "SourceAxialPositionShift")
    shifts += ("SourceRadialDistanceShift",)
    column, row = values["DetectorCentralElement"]
    return ProjectionHeader(
        number=int(number),
        rows=int(rows),
        columns=int(columns),
        row_pitch=values["DetectorElementAxialSpacing"][0],
        column_pitch=values["DetectorElementTransverseSpacing"][0],
        angle=values["DetectorFocalCenterAngularPosition"][0],
        height=values["DetectorFocalCenterAxialPosition"][0],
        radius=values["DetectorFocalCenterRadialDistance"][0],
        distance=values["ConstantRadialDistance"][0],
        central_column=column,
        central_row=row,
        shifts=(values[shifts[0]][0], values[shifts[1]][0], values[shifts[2]][0]),
        water=(values["WaterAttenuationCoefficient"] or [None])[0],
        position=one_line(position.strip().upper()) if position else "",
    )


def _numbers(path: Path, header: Any, name: str, little: bool) -> list[float]:
    """The values of a private element, none without it."""
    tag, kind, (least, most) = _NUMBERS[name]
    try:
        value = header[tag].value if tag in header else None
        if isinstance(value, bytes) and kind != "text":
            value = np.frombuffer(value, f"{'<' if little else '>'}{kind}").tolist()
        elif isinstance(value, bytes):
            value = value.decode("ascii").strip("\0 ")
        numbers = numbers_of(value)
    # What was stored may be anything; the cause stays chained.
    except Exception as error:
        raise InputError(f"{path}: {name} {_shown(tag)} holds no numbers") from error
    for number in numbers or []:
        if not least <= number <= most:
            raise InputError(
                f"{path}: {name} {_shown(tag)} = {number:g}: expected {least:g} to "
                f"{most:g}"
            )
    return numbers or []


def _word(path: Path, header: Any, name: str) -> str:
    """A private element that is a code, empty without it."""
    tag = _WORDS[name]
    try:
        value = header[tag].value if tag in header else ""
        value = value.decode("ascii") if isinstance(value, bytes) else str(value or "")
    except Exception as error:
        raise InputError(f"{path}: {name} {_shown(tag)} holds no word") from error
    return value.strip("\0 ").upper()


def _shown(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"

"""What holds for one frame of a DICOM file.

A file of one slice says it in its header. An enhanced one, whose frames may be many or
one, says it in functional groups, for each frame or shared by all (PS3.3, C.7.6.16).
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sisr_jax.errors import InputError, one_line

GROUP_ELEMENTS = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
)
# No pixel is larger (mm).
_MAX_SPACING = 100.0


def levels_of(path: Path, header: Any, *, frames: int) -> list[list[Any]]:
    """The places that may describe each frame: header, shared groups, its own groups.

    Args:
        path: The file, for messages.
        header: With `GROUP_ELEMENTS`.
        frames: How many frames the file has.

    Raises:
        InputError: If the number of groups is another.
    """
    shared = list(header.get("SharedFunctionalGroupsSequence") or ())
    own = list(header.get("PerFrameFunctionalGroupsSequence") or ())
    if len(shared) > 1 or len(own) not in (0, frames):
        raise InputError(
            f"{path}: DICOM with {len(shared)} shared and {len(own)} functional groups "
            f"of frames, expected at most 1 and {frames}"
        )
    return [[header, *shared, *own[i : i + 1]] for i in range(frames)]


def items_of(levels: list[Any], macro: str) -> Iterator[Any]:
    """The header, then the items of a macro in the functional groups of a frame.

    Args:
        levels: Of a frame, see `levels_of`.
        macro: Keyword of the sequence that groups the elements in question.
    """
    header, *groups = levels
    yield header
    for group in groups:
        yield from group.get(macro) or ()


def numbers_of(value: Any) -> list[float] | None:
    """An element of one or several numbers; None when it is absent or empty."""
    if value is None or value == "":
        return None
    is_list = hasattr(value, "__iter__") and not isinstance(value, str)
    return [float(v) for v in (value if is_list else [value])]


def numbers_in(path: Path, item: Any, keyword: str) -> list[float] | None:
    """As `numbers_of`, of an element of a header or of an item.

    Raises:
        InputError: If it holds something else, as a decimal comma.
    """
    value = item.get(keyword)
    try:
        return numbers_of(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: {keyword} = {one_line(value)}, expected numbers"
        ) from error


def words_of(value: Any) -> list[str]:
    """An element of one or several codes, none if it is absent or empty."""
    several = [value] if isinstance(value, str) else value or ()
    return [str(each) for each in several]


def read_spacing(path: Path, levels: list[Any]) -> tuple[float, float] | None:
    """Spacing of the pixels of a frame: from row to row, from column to column, in mm.

    Args:
        path: The file, for messages.
        levels: Of the frame, see `levels_of`.

    Returns:
        None without one.

    Raises:
        InputError: If it is not two numbers, each above 0 and at most 100 mm.
    """
    found = None
    for item in items_of(levels, "PixelMeasuresSequence"):
        spacing = numbers_in(path, item, "PixelSpacing")
        if not spacing:
            continue
        if len(spacing) != 2 or not all(0 < s <= _MAX_SPACING for s in spacing):
            raise InputError(
                f"{path}: pixel spacing {spacing}, expected two of 0 to "
                f"{_MAX_SPACING:g} mm"
            )
        found = spacing[0], spacing[1]
    return found


def find_place(path: Path, levels: list[Any]) -> tuple[str, float]:
    """Series of a frame and its position along the normal of the series.

    Args:
        path: The file, for messages.
        levels: Of the frame, see `levels_of`.

    Returns:
        An identifier and mm; empty when the geometry is absent.
    """
    origin = directions = None
    for item in items_of(levels, "PlanePositionSequence"):
        origin = numbers_in(path, item, "ImagePositionPatient") or origin
    for item in items_of(levels, "PlaneOrientationSequence"):
        directions = numbers_in(path, item, "ImageOrientationPatient") or directions
    uid = levels[0].get("SeriesInstanceUID")
    numbers = [*(origin or ()), *(directions or ())]
    if not uid or len(numbers) != 9 or not all(map(math.isfinite, numbers)):
        return "", 0.0
    normal = np.cross(numbers[3:6], numbers[6:])
    # A localiser shares the identifier of its series, but not the orientation.
    orientation = " ".join(f"{n + 0.0:.2f}" for n in np.round(normal, 2))
    return f"{uid} {orientation}", float(np.dot(normal, numbers[:3]))

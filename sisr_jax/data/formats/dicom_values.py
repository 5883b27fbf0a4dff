"""Numbers of a DICOM header that scale its pixels."""

from pathlib import Path
from typing import Any

from sisr_jax.errors import InputError

# No scanner's slope, offset or pixel is larger (HU or counts; mm).
_MAX_SLOPE, _MAX_INTERCEPT, _MAX_SPACING = 1e6, 1e9, 100.0


def check_numbers(path: Path, dataset: Any) -> None:
    """Refuses a rescale or a pixel spacing that no scanner writes.

    Args:
        path: The file, for messages.
        dataset: Its header.

    Raises:
        InputError: If a number is absurd, or one of slope and intercept is absent.
    """
    slope = numbers_of(dataset.get("RescaleSlope"))
    intercept = numbers_of(dataset.get("RescaleIntercept"))
    spacing = numbers_of(dataset.get("PixelSpacing"))
    if (slope is None) != (intercept is None):
        raise InputError(f"{path}: DICOM with only one of rescale slope and intercept")
    if slope is not None and intercept is not None:
        sane = len(slope) == len(intercept) == 1
        if not (sane and 0 < abs(slope[0]) <= _MAX_SLOPE):
            raise InputError(f"{path}: rescale slope {slope}, expected a number not 0")
        if not abs(intercept[0]) <= _MAX_INTERCEPT:
            raise InputError(
                f"{path}: rescale intercept {intercept}, expected a number"
            )
    if spacing and (
        len(spacing) != 2 or not all(0 < s <= _MAX_SPACING for s in spacing)
    ):
        raise InputError(
            f"{path}: pixel spacing {spacing}, expected two of 0 to {_MAX_SPACING:g} mm"
        )


def numbers_of(value: Any) -> list[float] | None:
    """An element of one or several numbers; None when it is absent or empty."""
    if value is None or value == "":
        return None
    return [float(v) for v in (value if hasattr(value, "__iter__") else [value])]

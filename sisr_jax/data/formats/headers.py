"""What the header of an image file says, and the bounds it must keep.

A decoder is only started on a file whose header stays inside these bounds, so a
small file cannot ask for a large amount of memory.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sisr_jax.data.transforms import check_finite
from sisr_jax.errors import InputError

# 4096 x 4096: beyond any slice or frame; 128 MB while decoded in double precision.
MAX_PIXELS = 2**24
# Beyond any stack of slices in one file.
MAX_IMAGES = 2**12
# Files and members that are read as a whole.
MAX_BYTES = 2**28
# Of a spacing; scanners write three digits or more.
_ROUNDED = 0.01


class Header(NamedTuple):
    """What a file holds, before its pixels are decoded.

    Attributes:
        format: What tables call it.
        shape: Height and width of each of its images.
        dtype: Type of the values in the file.
        count: Images in the file.
        stored: Whether values become physical by `config.data.png_rescale`
            (unsigned PNG and TIFF); else they are physical once read.
        series: Equal for the slices of one DICOM series; else empty.
        position: Of a slice of a series, along its normal in mm.
        left_out: Why training leaves the file out although nothing is wrong with it
            (`localizer`); else empty.
        spacing: From row to row and from column to column, in mm; None where the file
            does not say, or its images differ.
        taken_by: Code of the kind of device in DICOM (`CT`); empty if it is not known.
    """

    format: str
    shape: tuple[int, int]
    dtype: str
    count: int = 1
    stored: bool = False
    series: str = ""
    position: float = 0.0
    left_out: str = ""
    spacing: tuple[float, float] | None = None
    taken_by: str = ""


class Decoded(NamedTuple):
    """An image of a file.

    Attributes:
        image: float32 `[height, width]`, finite, in physical units.
        padding: How many of its pixels were never measured; they are air.
    """

    image: np.ndarray
    padding: int = 0


class Derivation(NamedTuple):
    """How images were computed from those of a file, for the formats that tell.

    Attributes:
        method: A few words, without a line break.
        text: What was done, in a sentence.
        version: Of what did it.
        anonymous: Whether what identifies a person is left out.
        recipe: What tells apart results of one method: its weights and settings.
    """

    method: str
    text: str
    version: str
    anonymous: bool = False
    recipe: str = ""


def is_close(one: float, other: float) -> bool:
    """Whether two spacings differ by what was rounded at most, 1 %."""
    return abs(one - other) <= _ROUNDED * max(one, other)


def spacing_text(spacing: tuple[float, float]) -> str:
    """Rows x columns, in mm, for messages."""
    return f"{spacing[0]:.4g} x {spacing[1]:.4g}"


def oblong_remark(headers: Mapping[Path, Header]) -> str:
    """What to say of files whose pixels are not square; nothing if all are.

    Views of CT are simulated on square ones. Files of other devices do not count.

    Args:
        headers: Header of each file.
    """
    oblong = [
        path
        for path, header in headers.items()
        if header.spacing
        and header.taken_by in ("", "CT")
        and not is_close(*header.spacing)
    ]
    if not oblong:
        return ""
    spacing = headers[oblong[0]].spacing
    assert spacing
    return (
        f"{len(oblong)} of {len(headers)} files have pixels that are not square (the "
        f"first is {oblong[0]}, {spacing_text(spacing)} mm); CT takes them as square"
    )


def check_bounds(path: Path, shape: tuple[int, int], count: int = 1) -> None:
    """Refuses sizes that no slice has, before anything is decoded.

    Args:
        path: The file, for the message.
        shape: Height and width.
        count: Images in the file.

    Raises:
        InputError: If there is no pixel or image, or more than `MAX_PIXELS` in an
            image or `MAX_IMAGES` in the file.
    """
    if min(shape) < 1 or shape[0] * shape[1] > MAX_PIXELS:
        raise InputError(
            f"{path}: {shape[0]}x{shape[1]} pixels, expected 1 to {MAX_PIXELS} in all"
        )
    if not 1 <= count <= MAX_IMAGES:
        raise InputError(f"{path}: {count} images, expected 1 to {MAX_IMAGES}")


def to_stored(
    images: np.ndarray, dtype: np.dtype, rescale: tuple[float, float], *, path: Path
) -> np.ndarray:
    """Physical values as whole numbers: the inverse of `value * slope + intercept`.

    Args:
        images: Physical values.
        dtype: Of the stored ones, an integer.
        rescale: Slope and intercept.
        path: The file they are for, for the message.

    Raises:
        InputError: If one does not fit the type.
    """
    slope, intercept = rescale
    values = np.rint((images.astype(np.float64) - intercept) / slope)
    limits = np.iinfo(dtype)
    if values.min() < limits.min or values.max() > limits.max:
        raise InputError(
            f"{path}: values {images.min():g} to {images.max():g} do not fit {dtype} "
            f"with slope {slope:g} and intercept {intercept:g}; give another rescale, "
            "or write a format of real numbers (.npy, .npz, .tif)"
        )
    return values.astype(dtype)


def to_physical(
    values: np.ndarray,
    header: Header,
    *,
    path: Path,
    rescale: tuple[float, float],
    padding: int = 0,
) -> Decoded:
    """Decoded values as a physical image that is what the header promised.

    Args:
        values: Real numbers, `[height, width]`.
        header: Of their file.
        path: The file, for messages.
        rescale: Slope and intercept for `header.stored` values.
        padding: How many of the values were never measured.

    Returns:
        The image, of the same shape.

    Raises:
        InputError: If the shape differs, or a value is not finite as float32.
    """
    if values.shape != header.shape:
        raise InputError(
            f"{path}: decodes to {values.shape}, its header says {header.shape}"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # reported below, by name
        if header.stored:
            values = values.astype(np.float64) * rescale[0] + rescale[1]
        image = values.astype(np.float32)
    check_finite(image, name=str(path))
    return Decoded(image, padding)

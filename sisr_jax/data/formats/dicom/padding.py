"""Pixels of a DICOM frame that were never measured.

A scanner reconstructs a circle and fills the corners of the square. The file may say
with which stored value (PixelPaddingValue) or values (up to PixelPaddingRangeLimit;
PS3.3, C.7.5.1.1.2); for CT a number that no matter has, like -2000 or -3024 HU, says it
as well. What was not measured becomes air.
"""

from typing import Any

import numpy as np

PADDING_ELEMENTS = (
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "FloatPixelPaddingValue",
    "FloatPixelPaddingRangeLimit",
    "DoubleFloatPixelPaddingValue",
    "DoubleFloatPixelPaddingRangeLimit",
)
# The lowest value of a CT scale that starts at 0, 24 HU below air; windows of CT begin
# here or above.
AIR_HU = -1024.0
# Noise of air does not reach so low.
OUTSIDE_HU = -1500.0


def find_padding(
    words: np.ndarray, values: np.ndarray, header: Any
) -> np.ndarray | None:
    """Where a frame holds the padding that its header declares.

    A padding value may use bits that pixels do not, so it is compared with whole words
    as well as with stored values.

    Args:
        words: As stored, unused bits included.
        values: Stored values, without unused bits.
        header: With `PADDING_ELEMENTS`.

    Returns:
        bool, of the same shape; None if none is declared.
    """
    prefix = {"f4": "Float", "f8": "DoubleFloat"}.get(words.dtype.str[1:], "")
    padding = _number(header.get(f"{prefix}PixelPaddingValue"), words.dtype)
    limit = _number(header.get(f"{prefix}PixelPaddingRangeLimit"), words.dtype)
    if padding is None:  # a limit alone breaks the rule, and is meant
        padding, limit = limit, None
    if padding is None:
        return None
    if limit is None:
        return (words == padding) | (values == padding)
    low, high = min(padding, limit), max(padding, limit)
    return (words == padding) | ((low <= values) & (values <= high))


def fill_padding(
    image: np.ndarray, padding: np.ndarray | None, *, modality: str
) -> tuple[np.ndarray, int]:
    """Air in place of what was not measured.

    Args:
        image: Physical values.
        padding: See `find_padding`.
        modality: `CT`: air is `AIR_HU`, also for values that no matter has. Else it
            is the lowest measured value.

    Returns:
        The image, and how many of its pixels were filled.
    """
    if modality == "CT" and image.min() <= OUTSIDE_HU:
        outside = image <= OUTSIDE_HU
        padding = outside if padding is None else padding | outside
    if padding is None or not padding.any():
        return image, 0
    measured = image[~padding]
    air = float(measured.min()) if measured.size else 0.0
    filled = np.where(padding, AIR_HU if modality == "CT" else air, image)
    return filled, int(np.count_nonzero(padding))


def _number(value: Any, dtype: np.dtype) -> Any:
    """A value of the type of the pixels, which some files state in the other sign."""
    if isinstance(value, bytes):  # of an unknown type: the bytes of a word
        value = int.from_bytes(value, "little") if value else None
    if not isinstance(value, int | float) or dtype.kind == "f":
        return value if isinstance(value, int | float) else None
    wrapped = int(value) % 2 ** (8 * dtype.itemsize)
    return np.array([wrapped], f"u{dtype.itemsize}").view(dtype)[0]

"""From the stored values of a DICOM frame to physical ones: HU for CT.

The modality transform is `value * slope + intercept`, or a look-up table (PS3.3, C.11.1
and C.7.6.16.2.9). Without either the stored values are the physical ones.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sisr_jax.data.formats.dicom.groups import items_of, numbers_in
from sisr_jax.errors import InputError

VALUE_ELEMENTS = (
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "DoseGridScaling",
    "RealWorldValueMappingSequence",
)
# No scanner's slope or offset is larger (HU or counts).
_MAX_SLOPE, _MAX_INTERCEPT = 1e6, 1e9
# Hounsfield units, also those at one energy; unspecified, by programs that mean them.
_HU_TYPES = ("", "HU", "HU_MOD", "US")


class Rescale(NamedTuple):
    """Physical is stored value times slope plus intercept."""

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Physical values, in double precision."""
        return values * np.float64(self.slope) + self.intercept


class Table(NamedTuple):
    """Physical values of the stored ones from `first` on; its ends continue."""

    first: int
    entries: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Physical values of integers."""
        places = np.clip(values.astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return self.entries[places].astype(np.float64)


def transform_of(
    path: Path, levels: list[Any], *, dtype: np.dtype
) -> Rescale | Table | None:
    """The modality transform of a frame; None if its values are physical as stored.

    What is stated in several places, of the header and the functional groups, has to
    agree.

    Args:
        path: The file, for messages.
        levels: Of the frame, see `groups.levels_of`.
        dtype: Of its stored values.

    Raises:
        InputError: If a rescale is empty, absurd or contradicts another, a look-up
            table is damaged, or the values of CT cannot be HU.
    """
    if levels[0].get("DoseGridScaling") is not None:
        raise InputError(f"{path}: DICOM of a radiation dose, expected an image")
    rescales: list[Rescale] = []
    tables: list[Table] = []
    for item in items_of(levels, "PixelValueTransformationSequence"):
        rescales += _rescales_in(path, item)
    for item in levels[0].get("ModalityLUTSequence") or ():
        tables.append(_table_in(path, item, dtype))
    if len(tables) > 1 or (tables and rescales) or len({*rescales}) > 1:
        raise InputError(
            f"{path}: DICOM with {len({*rescales})} rescales and {len(tables)} "
            "modality look-up tables, expected one transform"
        )
    found = (rescales or tables or [None])[0]
    if levels[0].get("Modality") == "CT":
        _check_hounsfield(path, levels, found, dtype)
    return found


def _rescales_in(path: Path, item: Any) -> list[Rescale]:
    if "RescaleSlope" not in item and "RescaleIntercept" not in item:
        return []
    slope = numbers_in(path, item, "RescaleSlope")
    intercept = numbers_in(path, item, "RescaleIntercept")
    if not slope or not intercept:
        raise InputError(
            f"{path}: DICOM with only one of rescale slope and intercept, or empty ones"
        )
    if len(slope) > 1 or not 0 < abs(slope[0]) <= _MAX_SLOPE:
        raise InputError(f"{path}: rescale slope {slope}, expected a number not 0")
    if len(intercept) > 1 or not abs(intercept[0]) <= _MAX_INTERCEPT:
        raise InputError(f"{path}: rescale intercept {intercept}, expected a number")
    return [Rescale(slope[0], intercept[0])]


def _table_in(path: Path, item: Any, dtype: np.dtype) -> Table:
    descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
    if descriptor is None or len(descriptor) != 3 or data is None or dtype.kind == "f":
        raise InputError(f"{path}: DICOM with a damaged modality look-up table")
    count, first, bits = (int(n) for n in descriptor)
    count = count or 2**16
    if dtype.kind == "i" and first >= 2**15:  # the type follows the pixels
        first -= 2**16
    if isinstance(data, bytes):
        wide = len(data) >= 2 * count
        order = "<" if item.original_encoding[1] is not False else ">"
        entries = np.frombuffer(data, f"{order}u2" if wide else "u1")
    else:
        entries = np.atleast_1d(np.asarray(data))
    entries = entries[:count].astype(np.uint16)
    if not 8 <= bits <= 16 or len(entries) < count or int(entries.max()) >> bits:
        raise InputError(
            f"{path}: modality look-up table of {count} entries of {bits} bits, found "
            f"{len(entries)} up to {int(entries.max(initial=0))}"
        )
    return Table(first, entries)


def _check_hounsfield(
    path: Path, levels: list[Any], found: Rescale | Table | None, dtype: np.dtype
) -> None:
    for item in items_of(levels, "PixelValueTransformationSequence"):
        kind = str(item.get("RescaleType") or "").strip().upper()
        if kind not in _HU_TYPES:
            raise InputError(f"{path}: CT of values in {kind[:16]!r}, expected HU")
    for place in levels:
        if found is None and place.get("RealWorldValueMappingSequence"):
            raise InputError(
                f"{path}: CT whose values are HU by a real world value mapping only, "
                "expected a rescale slope and intercept"
            )
    unsigned = found is None and dtype.kind == "u"
    if unsigned or isinstance(found, Table):
        raise InputError(
            f"{path}: CT without a rescale slope and intercept, so that its unsigned "
            "values are not HU"
        )

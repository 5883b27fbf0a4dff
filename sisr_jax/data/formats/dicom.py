"""DICOM: single-frame grey slices, rescaled to physical units."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_modality_lut
from pydicom.uid import UID

from sisr_jax.data.formats.dicom_file import open_dicom
from sisr_jax.data.formats.dicom_values import check_numbers, numbers_of
from sisr_jax.data.formats.headers import Header, check_bounds, to_physical
from sisr_jax.errors import InputError

_PIXELS = ["PixelData", "FloatPixelData", "DoubleFloatPixelData"]
_HEADER = [
    "Modality",
    "Rows",
    "Columns",
    "BitsAllocated",
    "PixelRepresentation",
    "SamplesPerPixel",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "RescaleSlope",
    "RescaleIntercept",
    "PixelSpacing",
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    *_PIXELS,
]


def check_dicom(path: Path) -> Header:
    """Header of a slice that `read_dicom` will be able to read.

    The pixel values are skipped, not read. MONOCHROME1 (low values shown bright) is
    accepted for CT, whose values are HU however they are shown; elsewhere whether to
    invert depends on the device, so it is refused.

    Raises:
        InputError: If the file is not DICOM, has no pixels, several frames or
            colour, an absurd size, rescale or spacing, is cut off, or is compressed
            with a codec that is not installed.
    """
    return _check(path, open_dicom(path, specific_tags=_HEADER, defer_size=1024))


def read_dicom(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[np.ndarray]:
    """Pixels of a slice in physical units (HU for CT), for each index 0.

    Applies the modality transform of the file: rescale slope and intercept, or
    the look-up table; without either the stored values are returned.

    Raises:
        InputError: As `check_dicom`, or if the pixels cannot be decoded.
    """
    dataset = open_dicom(path)
    header = _check(path, dataset)
    for _ in indices:
        try:
            values = apply_modality_lut(dataset.pixel_array, dataset)
        # Each codec raises its own types; the message names the file for all of them.
        except Exception as error:
            uid = dataset.file_meta.TransferSyntaxUID
            raise InputError(
                f"{path}: pixels cannot be decoded from {uid.name} "
                f"({type(error).__name__}: {(str(error).splitlines() or [''])[0]})"
            ) from error
        yield to_physical(values, header, path=path, rescale=rescale)


def _check(path: Path, dataset: Any) -> Header:
    if not any(tag in dataset for tag in _PIXELS):
        raise InputError(f"{path}: DICOM file without pixels")
    rows, columns = dataset.get("Rows"), dataset.get("Columns")
    if not isinstance(rows, int) or not isinstance(columns, int):
        raise InputError(f"{path}: DICOM file without Rows and Columns")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        raise InputError(f"{path}: multi-frame DICOM ({frames} frames), expected one")
    samples = dataset.get("SamplesPerPixel", 1)
    photometric = dataset.get("PhotometricInterpretation")
    accepted = ["MONOCHROME2"]
    if dataset.get("Modality") == "CT":
        accepted.append("MONOCHROME1")
    if samples != 1 or photometric not in accepted:
        raise InputError(
            f"{path}: DICOM with {samples} samples a pixel and photometric "
            f"interpretation {photometric}, expected 1 and {' or '.join(accepted)}"
        )
    shape = int(rows), int(columns)
    check_bounds(path, shape)
    dtype = _check_type(path, dataset)
    uid = _check_codec(path, dataset)
    size, needed = path.stat().st_size, shape[0] * shape[1] * dtype.itemsize
    # What was deflated is complete, and longer than its file.
    as_stored = isinstance(dataset, pydicom.FileDataset) and not uid.is_compressed
    if as_stored and size < needed:
        raise InputError(
            f"{path}: truncated DICOM, {size} bytes for a pixel block of {needed}"
        )
    check_numbers(path, dataset)
    series, position = _find_place(dataset)
    return Header("DICOM", shape, dtype.name, series=series, position=position)


def _check_type(path: Path, dataset: Any) -> np.dtype:
    if "DoubleFloatPixelData" in dataset or "FloatPixelData" in dataset:
        return np.dtype("f8" if "DoubleFloatPixelData" in dataset else "f4")
    bits = dataset.get("BitsAllocated")
    if bits not in (8, 16, 32):
        raise InputError(f"{path}: DICOM of {bits} bits a value, expected 8, 16 or 32")
    return np.dtype(f"{'i' if dataset.get('PixelRepresentation') else 'u'}{bits // 8}")


def _find_place(dataset: Any) -> tuple[str, float]:
    """Series and position along its normal; empty when the geometry is absent."""
    origin = numbers_of(dataset.get("ImagePositionPatient")) or []
    directions = numbers_of(dataset.get("ImageOrientationPatient")) or []
    uid = dataset.get("SeriesInstanceUID")
    numbers = [*origin, *directions]
    if not uid or len(numbers) != 9 or not all(map(math.isfinite, numbers)):
        return "", 0.0
    normal = np.cross(directions[:3], directions[3:])
    # A localiser shares the identifier of its series, but not the orientation.
    orientation = " ".join(f"{n + 0.0:.2f}" for n in np.round(normal, 2))
    return f"{uid} {orientation}", float(np.dot(normal, origin))


def _check_codec(path: Path, dataset: Any) -> UID:
    uid = dataset.file_meta.get("TransferSyntaxUID")
    if uid is None:
        raise InputError(f"{path}: DICOM file without a transfer syntax")
    try:
        available = get_decoder(uid).is_available
    except NotImplementedError:  # a syntax that pydicom has no decoder for at all
        available = False
    if not available:
        raise InputError(
            f"{path}: compressed as {uid.name} ({uid}), which nothing installed "
            "decodes; install sisr-jax[dicom-codecs] (JPEG-LS, JPEG 2000, RLE) or, for "
            "other JPEG, pylibjpeg and pylibjpeg-libjpeg"
        )
    return uid

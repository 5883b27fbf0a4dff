"""DICOM: single-frame grey slices, rescaled to physical units.

Only technical elements are read; the patient's identifier leaves this file as a
hash, and no value of a patient element enters a message.
"""

import hashlib
import io
import logging
import math
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_modality_lut
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from sisr_jax.data.formats.headers import MAX_BYTES, Header, check_bounds, to_physical
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
# No scanner's slope, offset or pixel is larger (HU or counts; mm).
_MAX_SLOPE, _MAX_INTERCEPT, _MAX_SPACING = 1e6, 1e9, 100.0


def keep_headers_private() -> None:
    """Silences pydicom for the whole process, as its words quote header values.

    It logs and warns of elements that break a rule of the standard, with what they
    hold. A command calls this first; what matters of a file comes as an InputError.
    """
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")


def has_magic(path: Path) -> bool:
    """Whether a file starts with a DICOM preamble (128 bytes, then `DICM`)."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


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
    return _check(path, _read(path, specific_tags=_HEADER, defer_size=1024))


def read_dicom(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[np.ndarray]:
    """Pixels of a slice in physical units (HU for CT), for each index 0.

    Applies the modality transform of the file: rescale slope and intercept, or
    the look-up table; without either the stored values are returned.

    Raises:
        InputError: As `check_dicom`, or if the pixels cannot be decoded.
    """
    dataset = _read(path)
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


def hash_patient(path: Path) -> str:
    """SHA-256 of the stored PatientID bytes; empty when there is none.

    The raw element is hashed: decoding it could warn, and a warning could show it.
    """
    dataset = _read(path, specific_tags=["PatientID"], stop_before_pixels=True)
    if "PatientID" not in dataset:
        return ""
    try:
        value = dataset.get_item("PatientID").value
    except Exception as error:  # as in `_read`; the text could show the value
        raise InputError(f"{path}: DICOM file with a damaged PatientID") from error
    raw = (value if isinstance(value, bytes) else str(value or "").encode()).strip(
        b" \0"
    )
    return hashlib.sha256(raw).hexdigest() if raw else ""


def _read(path: Path, **options: Any) -> Any:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(f"{path}: {size} bytes, expected at most {MAX_BYTES}")
    try:
        meta = read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            return _inflate(path, meta)
        return pydicom.dcmread(path, **options)
    except (InputError, FileNotFoundError, PermissionError):
        raise
    # Damaged bytes surface as almost any type; the cause stays chained.
    except Exception as error:
        raise InputError(f"{path}: not a DICOM file, or damaged") from error


def _inflate(path: Path, meta: Any) -> pydicom.Dataset:
    """A deflated file; pydicom alone would inflate it without a bound."""
    data = path.read_bytes()
    # The preamble, then the length of the file meta information as first element.
    start = 144 + struct.unpack_from("<I", data, 140)[0]
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = stream.decompress(data[start:], MAX_BYTES)
    if not stream.eof:
        raise InputError(f"{path}: cut off, or inflates to more than {MAX_BYTES} bytes")
    dataset = read_dataset(io.BytesIO(inflated), False, True)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian  # what was inflated
    dataset.file_meta = meta
    dataset.set_original_encoding(False, True, dataset.original_character_set)
    return dataset


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
    _check_numbers(path, dataset)
    series, position = _find_place(dataset)
    return Header("DICOM", shape, dtype.name, series=series, position=position)


def _check_type(path: Path, dataset: Any) -> np.dtype:
    if "DoubleFloatPixelData" in dataset or "FloatPixelData" in dataset:
        return np.dtype("f8" if "DoubleFloatPixelData" in dataset else "f4")
    bits = dataset.get("BitsAllocated")
    if bits not in (8, 16, 32):
        raise InputError(f"{path}: DICOM of {bits} bits a value, expected 8, 16 or 32")
    return np.dtype(f"{'i' if dataset.get('PixelRepresentation') else 'u'}{bits // 8}")


def _check_numbers(path: Path, dataset: Any) -> None:
    """Refuses a rescale or a pixel spacing that no scanner writes."""
    slope = _numbers(dataset.get("RescaleSlope"))
    intercept = _numbers(dataset.get("RescaleIntercept"))
    spacing = _numbers(dataset.get("PixelSpacing"))
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


def _numbers(value: Any) -> list[float] | None:
    """An element of one or several numbers; None when it is absent or empty."""
    if value is None or value == "":
        return None
    return [float(v) for v in (value if hasattr(value, "__iter__") else [value])]


def _find_place(dataset: Any) -> tuple[str, float]:
    """Series and position along its normal; empty when the geometry is absent."""
    origin = _numbers(dataset.get("ImagePositionPatient")) or []
    directions = _numbers(dataset.get("ImageOrientationPatient")) or []
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
            "decodes; install pyjpegls (JPEG-LS), or pylibjpeg and pylibjpeg-openjpeg "
            "(JPEG 2000), pylibjpeg-rle (RLE) or pylibjpeg-libjpeg (other JPEG)"
        )
    return uid

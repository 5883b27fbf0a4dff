"""DICOM: single-frame grey slices, rescaled to physical units.

Only technical elements are read; the patient's identifier leaves this file as a
hash, and no value of a patient element enters a message.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_modality_lut
from pydicom.uid import UID

from sisr_jax.errors import InputError

_HEADER = [
    "Rows",
    "Columns",
    "BitsAllocated",
    "SamplesPerPixel",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "PixelData",
    "FloatPixelData",
    "DoubleFloatPixelData",
]


def has_magic(path: Path) -> bool:
    """Whether a file starts with a DICOM preamble (128 bytes, then `DICM`)."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def check_dicom(path: Path) -> tuple[int, int]:
    """Height and width of a slice that `read_dicom` will be able to read.

    The pixel values are skipped, not read.

    Raises:
        InputError: If the file is not DICOM, has no pixels, several frames or
            colour, shows low values bright (MONOCHROME1: whether to invert
            depends on the modality, so it is refused), is cut off, or is
            compressed with a codec that is not installed.
    """
    dataset = _read(path, specific_tags=_HEADER, defer_size=1024)
    if not any(tag in dataset for tag in _HEADER[-3:]):
        raise InputError(f"{path}: DICOM file without pixels")
    if not isinstance(dataset.get("Rows"), int) or not isinstance(
        dataset.get("Columns"), int
    ):
        raise InputError(f"{path}: DICOM file without Rows and Columns")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        raise InputError(f"{path}: multi-frame DICOM ({frames} frames), expected one")
    samples = dataset.get("SamplesPerPixel", 1)
    photometric = dataset.get("PhotometricInterpretation")
    if samples != 1 or photometric != "MONOCHROME2":
        raise InputError(
            f"{path}: DICOM with {samples} samples a pixel and photometric "
            f"interpretation {photometric}, expected 1 and MONOCHROME2"
        )
    shape = int(dataset.Rows), int(dataset.Columns)
    uid = _check_codec(path, dataset)
    stored = shape[0] * shape[1] * (int(dataset.get("BitsAllocated", 8)) // 8)
    if not uid.is_compressed and path.stat().st_size < stored:
        raise InputError(
            f"{path}: truncated DICOM, {path.stat().st_size} bytes for a pixel block "
            f"of {stored}"
        )
    return shape


def read_dicom(path: Path) -> np.ndarray:
    """Pixels of a slice in physical units (HU for CT).

    Applies the modality transform of the file: rescale slope and intercept, or
    the look-up table; without either the stored values are returned.

    Returns:
        float32 `[height, width]`.

    Raises:
        InputError: As `check_dicom`, or if the pixels cannot be decoded.
    """
    check_dicom(path)
    dataset = _read(path)
    try:
        values = apply_modality_lut(dataset.pixel_array, dataset)
    # Each codec raises its own types; the message names the file for all of them.
    except Exception as error:
        uid = dataset.file_meta.TransferSyntaxUID
        raise InputError(
            f"{path}: pixels cannot be decoded from {uid.name} "
            f"({type(error).__name__}: {_first_line(error)})"
        ) from error
    return np.asarray(values, np.float32)


def hash_patient(path: Path) -> str:
    """SHA-256 of the stored PatientID bytes; empty when there is none.

    The raw element is hashed: decoding it could warn, and a warning could show it.
    """
    dataset = _read(path, specific_tags=["PatientID"], stop_before_pixels=True)
    if "PatientID" not in dataset:
        return ""
    value = dataset.get_item("PatientID").value
    raw = value if isinstance(value, bytes) else str(value or "").encode()
    raw = raw.strip(b" \0")
    return hashlib.sha256(raw).hexdigest() if raw else ""


def _read(path: Path, **options: Any) -> pydicom.FileDataset:
    try:
        return pydicom.dcmread(path, **options)
    except OSError:
        raise
    # Damaged bytes surface as almost any type; the cause stays chained.
    except Exception as error:
        raise InputError(f"{path}: not a DICOM file, or damaged") from error


def _check_codec(path: Path, dataset: pydicom.FileDataset) -> UID:
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


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]

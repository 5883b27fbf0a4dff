"""Opening DICOM files within bounds, and without showing what their headers say."""

import io
import logging
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import pydicom
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from sisr_jax.data.formats.headers import MAX_BYTES
from sisr_jax.errors import InputError


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


def open_dicom(path: Path, **options: Any) -> Any:
    """Dataset of a file, its pixels not decoded.

    Args:
        path: The file.
        **options: Of `pydicom.dcmread`.

    Raises:
        InputError: If it is not DICOM, damaged, or larger than `MAX_BYTES`, also
            once inflated.
    """
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

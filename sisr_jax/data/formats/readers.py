"""Image files: what their header says, and their pixels in physical units.

Every format has two functions. The first looks at the header only and refuses what
could not be read later; the second decodes. Here their errors become InputErrors of
one line that start with the path.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import UnidentifiedImageError

from sisr_jax.data.formats.dicom.opening import is_dicom
from sisr_jax.data.formats.dicom.reading import check_dicom, read_dicom
from sisr_jax.data.formats.headers import MAX_PIXELS, Decoded, Header
from sisr_jax.data.formats.jpeg import check_jpeg, read_jpeg
from sisr_jax.data.formats.nifti import check_nifti, read_nifti
from sisr_jax.data.formats.npy import check_npy, read_npy
from sisr_jax.data.formats.npz import check_npz, read_npz
from sisr_jax.data.formats.png import check_png, read_png
from sisr_jax.data.formats.tiff import check_tiff, read_tiff
from sisr_jax.errors import InputError, one_line

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "Reader",
    "check_file",
    "decode_images",
    "find_reader",
    "has_image_name",
    "read_images",
]

FORMATS = ".png, .jpg, .tif, .npy, .npz, .nii, .nii.gz or DICOM"


class Reader(NamedTuple):
    """The two functions of a file format.

    Attributes:
        format: What tables and messages call it.
        check: Path to header; reads no pixels.
        read: Path, indices of images in the file, and (slope, intercept) of stored
            values, to one image for each index.
    """

    format: str
    check: Callable[[Path], Header]
    read: Callable[[Path, Sequence[int], tuple[float, float]], Iterator[Decoded]]


def find_reader(path: Path) -> Reader | None:
    """The reader for a file, or None when it is no image of ours.

    Names decide; only a file whose extension is none of ours is looked into, for
    the magic number of DICOM, whose files often have no extension or a piece of an
    identifier for one. `DICOMDIR` is a table of contents, not an image.

    Raises:
        InputError: If that file cannot be opened.
    """
    reader = _READERS.get(suffix_of(path))
    if reader is None and path.name != "DICOMDIR":
        with _naming(path, "file"):
            if is_dicom(path):
                return _READERS[".dcm"]
    return reader


def has_image_name(path: Path) -> bool:
    """Whether the extension is one of ours; the file need not exist."""
    return suffix_of(path) in _READERS


def check_file(path: Path) -> Header:
    """Header of an image file that can, as far as a header tells, be read.

    Raises:
        InputError: If the format is foreign, or the file is empty, damaged, of an
            unfit kind or out of bounds (see the modules of the formats).
    """
    reader = _find(path)
    with _naming(path, reader.format):
        if path.stat().st_size == 0:
            raise InputError(f"{path}: empty file (0 bytes)")
        return reader.check(path)


def read_images(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[np.ndarray]:
    """Decodes some images of a file.

    Args:
        path: The file.
        indices: Which of its `check_file(path).count` images.
        rescale: Slope and intercept from stored to physical values, for files whose
            header says `stored`.

    Yields:
        float32 `[height, width]`, finite, in physical units.

    Raises:
        InputError: As `check_file`, or if the pixels cannot be decoded.
    """
    for decoded in decode_images(path, indices, rescale):
        yield decoded.image


def decode_images(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[Decoded]:
    """As `read_images`, with what else is known of each image."""
    reader = _find(path)
    with _naming(path, reader.format):
        yield from reader.read(path, indices, rescale)


def suffix_of(path: Path) -> str:
    """The extension of a name in small letters; `.nii.gz` is one."""
    double = path.name.lower().endswith(".nii.gz")
    return ".nii.gz" if double else path.suffix.lower()


def _find(path: Path) -> Reader:
    reader = find_reader(path)
    if reader is None:
        raise InputError(f"{path}: expected a {FORMATS} file")
    return reader


@contextlib.contextmanager
def _naming(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from error
    # Damaged bytes surface from decoders as almost any type; the cause stays chained.
    except Exception as error:
        reason = one_line(error)
        if isinstance(error, UnidentifiedImageError):  # its text repeats the path
            reason = "of no kind that Pillow knows"
        raise InputError(f"{path}: truncated or damaged {name} ({reason})") from error


_DICOM = Reader("DICOM", check_dicom, read_dicom)
_JPEG = Reader("JPEG", check_jpeg, read_jpeg)
_NIFTI = Reader("NIfTI", check_nifti, read_nifti)
_TIFF = Reader("TIFF", check_tiff, read_tiff)
_READERS = {
    ".png": Reader("PNG", check_png, read_png),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".npy": Reader("npy", check_npy, read_npy),
    ".npz": Reader("npz", check_npz, read_npz),
    ".nii": _NIFTI,
    ".nii.gz": _NIFTI,
    ".dcm": _DICOM,
    ".dicom": _DICOM,
}

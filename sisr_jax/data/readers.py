"""Image files: what their header says, and their pixels in physical units.

Every reader comes in two functions. The first looks at the header only and
refuses what could not be read later; the second decodes. Errors are InputErrors
of one line that start with the path.
"""

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from sisr_jax.data import dicom
from sisr_jax.errors import InputError

# 8192 x 8192: beyond any slice or frame, below PIL's own decompression limit.
MAX_PIXELS = 2**26

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_NPZ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
_PNG_COLOUR = {2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}


class Reader(NamedTuple):
    """The two functions of a file format.

    Attributes:
        check: Path to (height, width), from the header.
        read: Path and (slope, intercept) of stored PNG values to float32
            `[height, width]`.
    """

    check: Callable[[Path], tuple[int, int]]
    read: Callable[[Path, tuple[float, float]], np.ndarray]


def find_reader(path: Path) -> Reader | None:
    """The reader for a file, or None when it is no image of ours.

    `.png`, `.npz`, `.dcm` and `.dicom` go by their name, everything else by the
    magic number of DICOM, whose files often have no extension or a piece of an
    identifier for one. `DICOMDIR` is a table of contents, not an image.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None and path.name != "DICOMDIR" and dicom.has_magic(path):
        return _READERS[".dcm"]
    return reader


def _check_size(path: Path, shape: tuple[int, int]) -> tuple[int, int]:
    if min(shape) < 1 or shape[0] * shape[1] > MAX_PIXELS:
        raise InputError(
            f"{path}: {shape[0]}x{shape[1]} pixels, expected 1 to {MAX_PIXELS} in all"
        )
    return shape


def check_png(path: Path) -> tuple[int, int]:
    """Height and width of an 8- or 16-bit grey PNG that ends where it should.

    Raises:
        InputError: If it is not a PNG, not grey, of another depth, too large or
            truncated.
    """
    with path.open("rb") as file:
        head = file.read(26)
        file.seek(max(path.stat().st_size - len(_PNG_END), 0))
        end = file.read()
    if len(head) < 26 or head[:8] != _PNG_SIGNATURE or head[12:16] != b"IHDR":
        raise InputError(f"{path}: not a PNG file, or cut off in its header")
    width, height, depth, colour = struct.unpack(">IIBB", head[16:26])
    if colour != 0:
        name = _PNG_COLOUR.get(colour, f"colour type {colour}")
        raise InputError(f"{path}: {name} PNG, expected 8- or 16-bit grey")
    if depth not in (8, 16):
        raise InputError(f"{path}: {depth}-bit grey PNG, expected 8 or 16 bits")
    shape = _check_size(path, (height, width))
    if end != _PNG_END:  # cut off, or, harmlessly, followed by something else
        _decode_png(path, verify_only=True)
    return shape


def read_png(path: Path, rescale: tuple[float, float]) -> np.ndarray:
    """Pixels of a grey PNG as `value * slope + intercept`, float32.

    Raises:
        InputError: If the file is damaged or not a grey PNG.
    """
    check_png(path)
    stored = _decode_png(path, verify_only=False).astype(np.float64)
    return (stored * rescale[0] + rescale[1]).astype(np.float32)


def _decode_png(path: Path, *, verify_only: bool) -> np.ndarray:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if verify_only:
                image.verify()
                return np.empty((0, 0))
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error) as error:
        if isinstance(error, PermissionError):
            raise
        reason = "unreadable" if isinstance(error, UnidentifiedImageError) else error
        raise InputError(f"{path}: truncated or damaged PNG ({reason})") from error


def check_npz(path: Path) -> tuple[int, int]:
    """Height and width of the image in an npz file, without reading its values.

    Raises:
        InputError: If there is not exactly one array and none is called `image`,
            or it is not a real 2-D array.
    """
    return _inspect_npz(path)[1]


def read_npz(path: Path, rescale: tuple[float, float]) -> np.ndarray:
    """The array of an npz file, already physical, as float32.

    Raises:
        InputError: As `check_npz`, or if the values are cut off or damaged.
    """
    del rescale  # stored PNG values only
    key, _ = _inspect_npz(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return file[key].astype(np.float32)
    except _NPZ_ERRORS as error:
        raise InputError(f"{path}: truncated or damaged npz ({error})") from error


def _inspect_npz(path: Path) -> tuple[str, tuple[int, int]]:
    try:
        names, key, shape, dtype = _read_npz_header(path)
    except _NPZ_ERRORS as error:
        raise InputError(f"{path}: not an npz file, or damaged ({error})") from error
    if key not in names:
        raise InputError(
            f"{path}: holds {', '.join(names) or 'no array'}; expected one array or "
            "one called 'image'"
        )
    if len(shape) != 2 or dtype.kind not in "uif":
        raise InputError(
            f"{path}: array {key!r} has shape {shape} and type {dtype}; expected two "
            "dimensions of real numbers"
        )
    return key, _check_size(path, (shape[0], shape[1]))


def _read_npz_header(
    path: Path,
) -> tuple[list[str], str, tuple[int, ...], np.dtype]:
    with zipfile.ZipFile(path) as archive:
        names = [n[:-4] for n in archive.namelist() if n.endswith(".npy")]
        key = names[0] if len(names) == 1 else "image"
        if key not in names:
            return names, key, (), np.dtype(np.float32)
        with archive.open(f"{key}.npy") as file:
            if np.lib.format.read_magic(file) == (1, 0):
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            else:
                # Version 3 differs in the names of structured types, refused anyway.
                shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return names, key, shape, dtype


def _read_dicom(path: Path, rescale: tuple[float, float]) -> np.ndarray:
    del rescale  # DICOM carries its own
    return dicom.read_dicom(path)


def _check_dicom(path: Path) -> tuple[int, int]:
    return _check_size(path, dicom.check_dicom(path))


_READERS = {
    ".png": Reader(check_png, read_png),
    ".npz": Reader(check_npz, read_npz),
    ".dcm": Reader(_check_dicom, _read_dicom),
    ".dicom": Reader(_check_dicom, _read_dicom),
}

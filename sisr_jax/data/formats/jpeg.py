"""JPEG: 8 bits, grey or saved in colour; what compression took away stays lost."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from sisr_jax.data.formats.grey import grey_of
from sisr_jax.data.formats.headers import Decoded, Header, check_bounds, to_physical
from sisr_jax.errors import InputError

_MAX_BYTES = 2**26
# Each scan passes over the whole image; a progressive one of good manners has ten.
MAX_SCANS = 100
# A colour profile takes up to 255.
_MAX_SEGMENTS = 1000
_BASELINE_TO_PROGRESSIVE = (0xC0, 0xC1, 0xC2)
_OTHER_FRAMES = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_EXIF_ORIENTATION = 274


def check_jpeg(path: Path) -> Header:
    """Header of an 8-bit JPEG, grey or of three colours, that has an end.

    Whether all pixels are grey, only decoding tells.

    Raises:
        InputError: If it is not a JPEG, of another kind, to be turned, too large, cut
            off, or of too many scans.
    """
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise InputError(f"{path}: {size} bytes, expected at most {_MAX_BYTES}")
    data = path.read_bytes()
    if data[:2] != b"\xff\xd8":
        raise InputError(f"{path}: not a JPEG file")
    kind, precision, height, width, components = find_frame(data)
    if kind not in _BASELINE_TO_PROGRESSIVE or precision != 8:
        raise InputError(
            f"{path}: JPEG of {precision} bits, process {kind - 0xC0}; expected "
            "8 bits, baseline or progressive"
        )
    if components not in (1, 3):
        raise InputError(f"{path}: JPEG of {components} colours, expected 1 or 3")
    check_bounds(path, (height, width))
    if b"\xff\xd9" not in data[-4096:]:
        raise InputError(f"{path}: truncated JPEG, it has no end")
    scans = data.count(b"\xff\xda")
    if scans > MAX_SCANS:
        raise InputError(f"{path}: JPEG of {scans} scans, expected {MAX_SCANS} at most")
    return Header("JPEG", (height, width), "uint8", stored=True)


def read_jpeg(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[Decoded]:
    """Grey values of a JPEG as `value * slope + intercept`, for each index 0.

    Raises:
        InputError: As `check_jpeg`, or if a pixel is coloured.
        Exception: Of the decoder, if the file is damaged.
    """
    header = check_jpeg(path)
    for _ in indices:
        with Image.open(path, formats=["JPEG"]) as image:
            if image.size != header.shape[::-1]:  # a second frame header
                raise InputError(f"{path}: two headers of different size")
            orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
            if orientation != 1:
                raise InputError(
                    f"{path}: JPEG in orientation {orientation}, expected 1 (upright)"
                )
            values = np.asarray(image)
        if values.ndim == 3:
            values = grey_of(values, path=path)
        yield to_physical(values, header, path=path, rescale=rescale)


def find_frame(data: bytes) -> tuple[int, int, int, int, int]:
    """The frame header of a JPEG or JPEG-LS stream (ISO/IEC 10918-1, B.2.2).

    Args:
        data: From its start on.

    Returns:
        Marker, bits, height, width and number of components.

    Raises:
        ValueError: If there is none.
    """
    offset = 2
    for _ in range(_MAX_SEGMENTS):
        if data[offset : offset + 1] != b"\xff" or len(data) < offset + 10:
            break
        marker = data[offset + 1]
        if marker in _OTHER_FRAMES or marker in _BASELINE_TO_PROGRESSIVE:
            return marker, *struct.unpack_from(">BHHB", data, offset + 4)
        if marker == 0xFF:  # a fill byte
            offset += 1
        else:
            length = int.from_bytes(data[offset + 2 : offset + 4], "big")
            offset += 2 + max(length, 2)
    raise ValueError("no JPEG frame header")

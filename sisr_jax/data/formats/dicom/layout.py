"""How a DICOM file stores its pixels (PS3.5, section 8 and annex A)."""

from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import UID, JPEGExtended12Bit, RLELossless

from sisr_jax.data.formats.dicom.opening import Opened
from sisr_jax.data.formats.headers import check_bounds
from sisr_jax.errors import InputError, one_line

LAYOUT_ELEMENTS = (
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PlanarConfiguration",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)
# Of a frame in JPEG or JPEG-LS, and in JPEG 2000.
_BEGINNINGS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


class Layout(NamedTuple):
    """Frames and the words that hold their pixels.

    Attributes:
        shape: Rows and columns.
        frames: How many images.
        dtype: Of a word, in the byte order of this machine.
        bits: How many bits of a word are stored; all for floats.
        high: Number of the highest stored bit.
        colour: Whether a pixel has three samples, which are to be equal.
    """

    shape: tuple[int, int]
    frames: int
    dtype: np.dtype
    bits: int
    high: int
    colour: bool


def layout_of(path: Path, opened: Opened, *, modality: str) -> Layout:
    """How the pixels of a file lie, if all of it is there and can be decoded.

    MONOCHROME1 (low values shown bright) is accepted for CT, whose values are HU
    however they are shown; elsewhere whether to invert depends on the device. Three
    samples a pixel are accepted for ultrasound, whose devices store grey frames so.

    Args:
        path: The file, for messages.
        opened: The file, with `LAYOUT_ELEMENTS`.
        modality: Of the file.

    Raises:
        InputError: If it has no pixels, is cut off, or a pixel or its encoding is of
            another kind.
    """
    header = opened.header
    if not opened.pixels:
        raise InputError(f"{path}: DICOM file without pixels")
    shape = _whole(header, "Rows"), _whole(header, "Columns")
    if shape[0] is None or shape[1] is None:
        raise InputError(f"{path}: DICOM file without Rows and Columns")
    frames = int(header.get("NumberOfFrames") or 1)
    check_bounds(path, cast(tuple[int, int], shape), frames)
    colour = _check_samples(path, header, modality)
    dtype, bits, high = _words_of(path, opened)
    if colour and dtype != np.uint8:
        raise InputError(f"{path}: colour DICOM of type {dtype}, expected uint8")
    layout = Layout(
        cast(tuple[int, int], shape), frames, dtype, bits, high, colour=colour
    )
    _check_codec(path, opened.uid, bits)
    if opened.encapsulated != opened.uid.is_encapsulated:
        raise InputError(
            f"{path}: DICOM pixels are not stored as {one_line(opened.uid.name)}"
        )
    if opened.encapsulated:
        _check_fragments(path, opened, frames)
    else:
        _check_block(path, opened, frames, _frame_bytes(layout, header))
    return layout


def _whole(header: Any, keyword: str) -> int | None:
    value = header.get(keyword)
    return value if isinstance(value, int) else None


def _check_samples(path: Path, header: Any, modality: str) -> bool:
    samples = header.get("SamplesPerPixel")
    photometric = header.get("PhotometricInterpretation")
    grey = ["MONOCHROME2"]
    if modality == "CT":
        grey.append("MONOCHROME1")
    if samples == 1 and photometric in grey:
        return False
    if samples == 3 and photometric in _COLOURS and modality in ("US", "IVUS"):
        if header.get("PlanarConfiguration") not in (0, 1):
            raise InputError(f"{path}: colour DICOM without PlanarConfiguration")
        return True
    raise InputError(
        f"{path}: DICOM with {samples} samples a pixel and photometric "
        f"interpretation {photometric!r}, expected 1 and {' or '.join(grey)}"
    )


def _words_of(path: Path, opened: Opened) -> tuple[np.dtype, int, int]:
    if opened.pixels != "PixelData":
        dtype = np.dtype("f4" if opened.pixels == "FloatPixelData" else "f8")
        return dtype, 8 * dtype.itemsize, 8 * dtype.itemsize - 1
    header = opened.header
    total, bits = _whole(header, "BitsAllocated"), _whole(header, "BitsStored")
    if total not in (8, 16, 32):
        raise InputError(f"{path}: DICOM of {total} bits a value, expected 8, 16 or 32")
    high = _whole(header, "HighBit")
    high = (bits or 0) - 1 if high is None else high
    if bits is None or not 1 <= bits <= high + 1 <= total:
        raise InputError(
            f"{path}: DICOM with BitsStored {bits} and HighBit {high} of {total} bits "
            "a value"
        )
    if opened.encapsulated and high != bits - 1:
        raise InputError(f"{path}: compressed DICOM with HighBit {high} of {bits} bits")
    signed = header.get("PixelRepresentation")
    if signed not in (0, 1):
        raise InputError(
            f"{path}: DICOM with PixelRepresentation {signed}, expected 0 or 1"
        )
    return np.dtype(f"{'i' if signed else 'u'}{total // 8}"), bits, high


def _check_codec(path: Path, uid: UID, bits: int) -> None:
    try:
        decoder = cast(Decoder, get_decoder(uid))
        plugins = set(decoder.available_plugins) if uid.is_encapsulated else {""}
    except NotImplementedError:  # a syntax that pydicom has no decoder for at all
        plugins = set()
    if uid == JPEGExtended12Bit and bits != 8:
        plugins -= {"pillow"}  # which decodes the 8 bits of this syntax only
    if not plugins:
        raise InputError(
            f"{path}: {bits} bits compressed as {uid.name} ({uid}), which nothing "
            "installed decodes; run: pip install pyjpegls (for JPEG-LS), pylibjpeg "
            "pylibjpeg-openjpeg (JPEG 2000) or pylibjpeg pylibjpeg-libjpeg (other JPEG)"
        )


def _frame_bytes(layout: Layout, header: Any) -> int:
    samples = 3 if layout.colour else 1
    size = layout.shape[0] * layout.shape[1] * samples * layout.dtype.itemsize
    subsampled = header.get("PhotometricInterpretation") == "YBR_FULL_422"
    return size // 3 * 2 if subsampled else size


def _check_block(path: Path, opened: Opened, frames: int, frame_bytes: int) -> None:
    """Refuses pixels that end too early, or of which whole frames would be left out.

    Behind the pixels there may be other elements, and in their own one padding.
    """
    size = min(opened.length, opened.end - opened.start)
    needed = frames * frame_bytes
    if size < needed:
        raise InputError(
            f"{path}: truncated DICOM, {size} bytes for a pixel block of {needed}"
        )
    if size >= needed + frame_bytes:
        raise InputError(
            f"{path}: DICOM with {size} bytes of pixels, expected {needed} by its "
            f"NumberOfFrames ({frames}), Rows, Columns and BitsAllocated"
        )


def _check_fragments(path: Path, opened: Opened, frames: int) -> None:
    """Refuses compressed pixels of fewer or more frames, or that end behind the file.

    A frame may be in several fragments, unless it is run-length encoded.
    """
    stream = opened.stream
    stream.seek(opened.start)
    items = begun = 0  # the first is the table of offsets
    while head := stream.read(8):
        tag, length = head[:4], int.from_bytes(head[4:], "little")
        if tag == b"\xfe\xff\xdd\xe0":
            break
        end = stream.tell() + length
        if tag != b"\xfe\xff\x00\xe0" or end > opened.end:
            raise InputError(
                f"{path}: truncated or damaged DICOM, in its compressed pixels"
            )
        begins = opened.uid == RLELossless or stream.read(4).startswith(_BEGINNINGS)
        begun += items > 0 and begins
        stream.seek(end)
        items += 1
    if begun > frames:
        raise InputError(
            f"{path}: DICOM with {begun} compressed frames, expected {frames} by its "
            "NumberOfFrames"
        )
    if items - 1 < frames:
        raise InputError(
            f"{path}: DICOM of {frames} frames, but {max(items - 1, 0)} compressed ones"
        )

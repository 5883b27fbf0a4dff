"""Decoding one frame of a DICOM file, within the size that its header states."""

import struct
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import (
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from sisr_jax.data.formats.dicom.layout import Layout
from sisr_jax.data.formats.dicom.opening import Opened
from sisr_jax.data.formats.grey import grey_of
from sisr_jax.data.formats.jpeg import MAX_SCANS, find_frame
from sisr_jax.errors import InputError, one_line

# Run-length decoding makes up to 64 bytes of one.
_MAX_RLE_BYTES = 2**23
# A decoder prepares for every tile of JPEG 2000, also for empty ones.
_MAX_TILES = 2**12


def decode_frame(path: Path, opened: Opened, layout: Layout, index: int) -> np.ndarray:
    """Words of one frame, unused bits included; of colour, the grey values.

    Args:
        path: The file, for messages.
        opened: The file.
        layout: Of the file.
        index: Which frame.

    Raises:
        InputError: If the frame cannot be decoded, states another size than the
            header, or is coloured.
    """
    uid = opened.uid
    try:
        if opened.encapsulated:
            _check_frame(path, opened, layout, index)
        opened.stream.seek(opened.start)
        options = as_pixel_options(opened.header, pixel_keyword=opened.pixels)
        options |= {"pixel_vr": opened.vr, "correct_unused_bits": False}
        pixels, _ = cast(Decoder, get_decoder(uid)).as_array(
            opened.stream, index=index, raw=not layout.colour, **cast(Any, options)
        )
    except InputError:
        raise
    # Each codec raises its own types; the message names the file for all of them.
    except Exception as error:
        lines = str(error).strip().splitlines()  # the last: what the last codec said
        reason = one_line(f"{type(error).__name__}: {lines[-1] if lines else ''}")
        raise InputError(
            f"{path}: pixels cannot be decoded from {uid.name} ({reason})"
        ) from error
    if layout.colour:
        return grey_of(pixels, path=path)
    return pixels.astype(layout.dtype, copy=False)


def stored_values(words: np.ndarray, layout: Layout) -> np.ndarray:
    """Values in the stored bits of words, sign-extended; other bits may hold anything.

    Args:
        words: Of a frame.
        layout: Of its file.
    """
    total = 8 * layout.dtype.itemsize
    if layout.dtype.kind == "f" or layout.bits == total:
        return words
    return (words << (total - 1 - layout.high)) >> (total - layout.bits)


def _check_frame(path: Path, opened: Opened, layout: Layout, index: int) -> None:
    """Refuses a frame that would decode to more than the header says."""
    opened.stream.seek(opened.start)
    options = as_pixel_options(opened.header)
    frame = get_frame(
        opened.stream,
        index,
        number_of_frames=layout.frames,
        extended_offsets=options.get("extended_offsets"),
    )
    uid, size = opened.uid, None
    if uid in JPEG2000TransferSyntaxes:
        size, is_signed = _size_of_jpeg_2000(frame)
        if is_signed and layout.dtype.kind == "u":
            raise InputError(
                f"{path}: signed frame in {uid.name}, its header says unsigned"
            )
    elif uid in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes):
        size = find_frame(frame)[2:4]
        if frame.count(b"\xff\xda") > MAX_SCANS:
            raise InputError(f"{path}: JPEG frame of more than {MAX_SCANS} scans")
    elif uid == RLELossless and len(frame) > _MAX_RLE_BYTES:
        raise InputError(
            f"{path}: run-length encoded frame of {len(frame)} bytes, expected at most "
            f"{_MAX_RLE_BYTES}"
        )
    # Decoders fill what is missing with grey; behind the end there may be padding.
    if size is not None and b"\xff\xd9" not in frame[-64:]:
        raise InputError(f"{path}: frame in {uid.name} is cut off")
    if size is not None and size != layout.shape:
        raise InputError(
            f"{path}: frame of {size[0]}x{size[1]} in {uid.name}, its header says "
            f"{layout.shape[0]}x{layout.shape[1]}"
        )


def _size_of_jpeg_2000(frame: bytes) -> tuple[tuple[int, int], bool]:
    """Height and width, and sign, by the SIZ segment (ISO/IEC 15444-1, A.5.1)."""
    if frame[:4] != b"\xff\x4f\xff\x51":
        raise ValueError("no JPEG 2000 codestream")
    right, lower, left, upper, width, height = struct.unpack_from(">6I", frame, 8)
    tiles = -(-(lower - upper) // height) * -(-(right - left) // width)
    if tiles > _MAX_TILES:
        raise ValueError(f"{tiles} tiles, expected {_MAX_TILES} at most")
    return (lower - upper, right - left), frame[42] > 127

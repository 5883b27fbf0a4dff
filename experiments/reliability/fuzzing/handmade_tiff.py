"""TIFF files byte by byte, of the varieties that writers at hand do not write."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

_CODES = {"none": 1, "tiff_lzw": 5, "deflate": 8, "packbits": 32773}


def write_by_hand(
    path, values, *, order, kind=1, codec="none", predictor=1, big=False, **changed
):
    """A TIFF of one page and one strip.

    Args:
        path: File to write.
        values: `[height, width]`.
        order: `<` or `>`.
        kind: Sample format.
        codec: Of `_CODES`.
        predictor: 2 (differences) or 3 (of floats).
        big: Write a BigTIFF.
        **changed: `tags` by number, `text` of the description, `behind`: bytes after
            the strip.
    """
    height, width = values.shape
    data = compress(predict(values, order, predictor), codec)
    tags = {
        256: width,
        257: height,
        258: 8 * values.itemsize,
        259: _CODES[codec],
        262: 1,
        273: 16 if big else 8,
        277: 1,
        278: height,
        279: len(data),
        317: predictor,
        339: kind,
    } | {int(tag): value for tag, value in changed.pop("tags", {}).items()}
    text = changed.pop("text", "").encode()
    data += changed.pop("behind", b"")
    data += bytes(-len(data) % 2)
    letter, width, first = ("Q", 8, 16) if big else ("I", 4, 8)
    entries = [(t, 16 if big else 4, 1, v) for t, v in tags.items()]
    if text:
        text += b"\0" * 8
        entries.append((270, 2, len(text), first + len(data)))
    table = struct.pack(f"{order}{'Q' if big else 'H'}", len(entries)) + b"".join(
        struct.pack(f"{order}HH{letter}{letter}", *entry) for entry in sorted(entries)
    )
    head = b"II" if order == "<" else b"MM"
    head += (
        struct.pack(f"{order}HHH", 43, 8, 0) if big else struct.pack(f"{order}H", 42)
    )
    offset = struct.pack(f"{order}{letter}", first + len(data) + len(text))
    path.write_bytes(head + offset + data + text + table + bytes(width))
    return path


def predict(values, order, predictor):
    """Rows as they are compressed, uint8 (TIFF 6.0, section 14; Adobe's note 3)."""
    stored = values.astype(values.dtype.newbyteorder(order))
    if predictor == 2:
        words = np.ascontiguousarray(stored).view(f"{order}u{values.itemsize}")
        words[:, 1:] -= words[:, :-1].copy()
        stored = words
    rows = np.frombuffer(stored.tobytes(), np.uint8).reshape(len(values), -1)
    if predictor != 3:
        return rows
    # The most significant bytes of a row, then the next ones; then their differences.
    big = values.astype(values.dtype.newbyteorder(">"))
    planes = np.frombuffer(big.tobytes(), np.uint8)
    planes = planes.reshape(*values.shape, values.itemsize).transpose(0, 2, 1)
    rows = planes.reshape(len(values), -1).copy()
    rows[:, 1:] -= rows[:, :-1].copy()
    return rows


def compress(rows, codec):
    if codec == "none":
        return rows.tobytes()
    if codec == "deflate":
        return zlib.compress(rows.tobytes())
    # Pillow compresses bytes, whatever they mean.
    file = io.BytesIO()
    Image.fromarray(rows).save(
        file, format="TIFF", compression=codec, tiffinfo={278: len(rows)}
    )
    with Image.open(file) as image:
        [offset], [length] = image.tag_v2[273], image.tag_v2[279]
    return file.getvalue()[offset : offset + length]

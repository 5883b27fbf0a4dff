"""The tags of a TIFF or BigTIFF, of either byte order, read within bounds.

TIFF 6.0 section 2; BigTIFF differs in the width of counts and offsets.
"""

import enum
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from sisr_jax.data.formats.headers import MAX_IMAGES
from sisr_jax.errors import InputError

# Bytes of a value, by its type.
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_WIDTHS |= {13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_TEXT = 2
# Beyond a colour profile, the description of a microscope, or the offsets of tiles;
# decoders read all of them.
_MAX_TAG_BYTES, _MAX_TAG_BYTES_IN_ALL = 2**22, 2**26
_MAX_TAGS = 2**10
_MAX_TEXT = 2**12


class Tag(enum.IntEnum):
    """The tags that are looked at; see TIFF 6.0, and the makers for the last ones."""

    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    DESCRIPTION = 270
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTES = 279
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_BYTES = 325
    SAMPLE_FORMAT = 339
    IMAGE_DEPTH = 32997  # of Silicon Graphics: planes of a volume
    METAMORPH = 33629  # planes of a stack


class Variant(NamedTuple):
    """How numbers lie in a file.

    Attributes:
        order: `<` or `>`.
        big: Whether it is a BigTIFF.
    """

    order: Literal["<", ">"]
    big: bool


_VARIANTS = {
    b"II*\0": Variant("<", big=False),
    b"MM\0*": Variant(">", big=False),
    b"II+\0": Variant("<", big=True),
    b"MM\0+": Variant(">", big=True),
}


class Page(NamedTuple):
    """An image of a file: the numbers of its tags, and its description."""

    numbers: dict[int, tuple[int, ...]]
    description: str

    def first(self, tag: Tag, default: int = 0) -> int:
        """First number of a tag."""
        return self.numbers.get(tag, (default,))[0]


_TAGS = frozenset(Tag)


def read_pages(path: Path, file: BinaryIO) -> tuple[Variant, Iterator[Page]]:
    """Byte order of a file, and its pages as they are asked for.

    Args:
        path: The file, for messages.
        file: The file, opened.

    Raises:
        InputError: If it is not a TIFF, or, from the iterator, if there are too many
            pages, tags of a page or bytes of tags, or a tag ends behind the file.
    """
    start = file.read(16).ljust(16, b"\0")
    variant = _VARIANTS.get(start[:4])
    if variant is None:
        raise InputError(f"{path}: not a TIFF file")
    at, letter = (8, "Q") if variant.big else (4, "I")
    (offset,) = struct.unpack_from(f"{variant.order}{letter}", start, at)
    return variant, _walk(path, file, variant, offset)


def _walk(path: Path, file: BinaryIO, variant: Variant, offset: int) -> Iterator[Page]:
    size = path.stat().st_size
    in_all = 0
    for count in range(MAX_IMAGES + 1):
        if offset == 0 and count:
            return
        page, offset, taken = _read_page(path, file, variant, offset, size)
        in_all += taken
        if in_all > _MAX_TAG_BYTES_IN_ALL:
            raise InputError(
                f"{path}: TIFF tags of {in_all} bytes, expected at most "
                f"{_MAX_TAG_BYTES_IN_ALL}"
            )
        yield page
    raise InputError(f"{path}: more than {MAX_IMAGES} pages, or pages in a circle")


def _read_page(
    path: Path, file: BinaryIO, variant: Variant, offset: int, size: int
) -> tuple[Page, int, int]:
    """A page, the offset of the next one, and the length of all its tags."""
    order, letter = variant.order, "Q" if variant.big else "I"
    # Tag, type, count, and the value where it fits.
    entry = struct.Struct(f"{order}HH{letter}{8 if variant.big else 4}s")
    table = _read(path, file, offset, 8 if variant.big else 2, size)
    count = int.from_bytes(table, "little" if order == "<" else "big")
    if count > _MAX_TAGS:
        raise InputError(f"{path}: TIFF page of {count} tags, or damaged")
    body = file.read(count * entry.size)
    after = file.read(8 if variant.big else 4)
    if len(body) < count * entry.size:
        raise InputError(f"{path}: truncated TIFF, in its tags")
    numbers: dict[int, tuple[int, ...]] = {}
    description, taken = "", 0
    for tag, kind, length, value in entry.iter_unpack(body):
        bytes_in_all = length * _WIDTHS.get(kind, 1)
        if bytes_in_all > _MAX_TAG_BYTES:
            raise InputError(
                f"{path}: TIFF tag {tag} of {bytes_in_all} bytes, expected at most "
                f"{_MAX_TAG_BYTES}"
            )
        taken += bytes_in_all
        if tag == Tag.METAMORPH:
            numbers[tag] = (length,)
            continue
        text = tag == Tag.DESCRIPTION and kind == _TEXT
        if not text and (tag not in _TAGS or kind not in _INTEGERS):
            continue
        if bytes_in_all > len(value):
            (place,) = struct.unpack(f"{order}{letter}", value)
            value = _read(path, file, place, bytes_in_all, size)
        if text:
            description = value[:_MAX_TEXT].decode("latin-1")
        elif length:
            numbers[tag] = struct.unpack_from(
                f"{order}{length}{_INTEGERS[kind]}", value
            )
    following = int.from_bytes(after, "little" if order == "<" else "big")
    return Page(numbers, description), following, taken


def _read(path: Path, file: BinaryIO, offset: int, length: int, size: int) -> bytes:
    if offset + length > size:
        raise InputError(f"{path}: truncated TIFF, its tags end behind the file")
    file.seek(offset)
    return file.read(length)

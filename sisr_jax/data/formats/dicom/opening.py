"""Opening DICOM files within bounds, and without showing what their headers say.

A file is a preamble, the file meta information (which names the transfer syntax), and
a dataset; older programs write the dataset alone. Only the elements that are asked for
are parsed, and the pixels are left in the file, to be read frame by frame.
"""

import contextlib
import io
import logging
import struct
import warnings
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from pydicom.datadict import (
    dictionary_has_tag,
    dictionary_VR,
    keyword_for_tag,
    tag_for_keyword,
)
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from sisr_jax.errors import InputError

# A cine loop of a thousand frames; only a frame at a time is read.
_MAX_FILE_BYTES = 2**31
# Deflate makes a thousand bytes of one: more than one slice or some frames, yet soon
# inflated.
_MAX_INFLATED_BYTES = 2**26
# Parsing takes 10 us for an element and 70 us for an item of a sequence: enough to
# describe a few thousand frames, in seconds.
_MAX_ELEMENT_BYTES, _MAX_ITEMS, _MAX_READS = 2**22, 2**16, 200_000
_MAX_META_BYTES = 2**16

_PIXELS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT")
_UNDEFINED_LENGTH = 2**32 - 1


class Opened(NamedTuple):
    """A file whose header has been read.

    Attributes:
        header: The elements that were asked for, of those before the pixels.
        uid: Transfer syntax in which `stream` is stored.
        stream: The file, or what it inflates to.
        end: Length of `stream`.
        pixels: Keyword of the element that holds the pixels; empty without pixels.
        vr: Value representation of that element; empty if the syntax implies it.
        start: Where its value begins in `stream`.
        encapsulated: Whether its value is a list of compressed fragments.
        length: Bytes of its value that the element states; of fragments, none.
    """

    header: Dataset
    uid: UID
    stream: BinaryIO
    end: int
    pixels: str
    vr: str
    start: int
    encapsulated: bool
    length: int


def keep_headers_private() -> None:
    """Silences pydicom for the whole process, as its words quote header values.

    It logs and warns of elements that break a rule of the standard, with what they
    hold; what matters of a file comes as an InputError. Nothing narrower will do:
    the warnings that a context catches are lost or shown at random among threads.
    """
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")


def is_dicom(path: Path) -> bool:
    """Whether a file starts as DICOM does: with a preamble, or with a dataset."""
    with path.open("rb") as file:
        start = file.read(132)
    return start[128:] == b"DICM" or _is_bare(start)


@contextlib.contextmanager
def open_dicom(path: Path, *, elements: Collection[str | int]) -> Iterator[Opened]:
    """Reads some elements of a file, which stays open for its pixels.

    Args:
        path: The file.
        elements: Keywords of what the header is to hold, tags of what is private.

    Raises:
        InputError: If it is not DICOM, damaged, or out of bounds: too large, inflating
            to too much, with too many elements or too long a sequence.
    """
    keep_headers_private()
    size = path.stat().st_size
    if size > _MAX_FILE_BYTES:
        raise InputError(f"{path}: {size} bytes, expected at most {_MAX_FILE_BYTES}")
    with path.open("rb") as file:
        try:
            opened = _parse(path, file, elements)
        except (InputError, OSError):
            raise
        # Damaged bytes surface as almost any type; the cause stays chained.
        except Exception as error:
            raise InputError(f"{path}: not a DICOM file, or damaged") from error
        yield opened


def check_elements(path: Path, header: Dataset) -> None:
    """Refuses elements that cannot be decoded, which pydicom does when asked for them.

    What they hold stays out of the message: it may tell of whom the file is.

    Args:
        path: The file, for messages.
        header: Of `open_dicom`.

    Raises:
        InputError: Naming the element.
    """
    for tag in list(header.keys()):
        try:
            header[tag]
        except Exception as error:
            name = keyword_for_tag(tag) or f"{tag}"
            kind = f", expected {dictionary_VR(tag)}" if dictionary_has_tag(tag) else ""
            raise InputError(
                f"{path}: DICOM element {name} is damaged{kind}"
            ) from error


def _parse(path: Path, file: BinaryIO, elements: Collection[str | int]) -> Opened:
    start = file.read(_MAX_META_BYTES)
    preamble = start[128:132] == b"DICM"
    if not preamble and not _is_bare(start):
        raise InputError(f"{path}: not a DICOM file, or cut off in its header")
    uid, offset = _read_meta(start, 132 if preamble else 0)
    stream: BinaryIO = file
    if uid == DeflatedExplicitVRLittleEndian:
        file.seek(offset)
        stream, offset = _inflate(path, file), 0
        uid = ExplicitVRLittleEndian
    stream.seek(offset)
    uid = uid or _guess_syntax(stream.read(6))
    end = stream.seek(0, io.SEEK_END)
    stream.seek(offset)
    wanted = {
        each if isinstance(each, int) else tag_for_keyword(each) for each in elements
    }
    place: list[Any] = ["", "", 0, False, 0]

    def reached_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
        if tag in _PIXELS:
            undefined = length == _UNDEFINED_LENGTH
            stated = 0 if undefined else length
            place[:] = _PIXELS[tag], vr or "", stream.tell(), undefined, stated
        elif tag in wanted and length < _UNDEFINED_LENGTH:
            _check_element(path, stream, tag, length)
        return tag in _PIXELS

    header = read_dataset(
        cast(BinaryIO, _Counted(path, stream)),
        uid == ImplicitVRLittleEndian,
        uid != ExplicitVRBigEndian,
        stop_when=reached_pixels,
        specific_tags=cast(list[BaseTag | int], list(wanted)),
    )
    if "Modality" in header:  # a code of capitals, by the standard
        header.Modality = str(header.Modality or "").strip().upper()
    return Opened(header, uid, stream, end, *place)


def _check_element(path: Path, stream: BinaryIO, tag: BaseTag, length: int) -> None:
    if length > _MAX_ELEMENT_BYTES:
        raise InputError(
            f"{path}: DICOM element {tag} of {length} bytes, expected at most "
            f"{_MAX_ELEMENT_BYTES}"
        )
    value = stream.read(length)
    stream.seek(-len(value), io.SEEK_CUR)
    items = value.count(b"\xfe\xff\x00\xe0") + value.count(b"\xff\xfe\xe0\x00")
    if items > _MAX_ITEMS:
        raise InputError(
            f"{path}: DICOM sequence {tag} of {items} items, expected at most "
            f"{_MAX_ITEMS}"
        )


class _Counted:
    """A stream that can be read from a limited number of times.

    Parsing takes its time for each element, however short; long values are one read.
    """

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path, self._stream, self._left = path, stream, _MAX_READS
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise InputError(f"{self._path}: DICOM header of too many elements")
        return self._stream.read(size)


def _is_bare(start: bytes) -> bool:
    """Whether a dataset begins, with an element of group 2 or 8."""
    if len(start) < 8:
        return False
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    if explicit and start[:2] == b"\0\x08":
        return True
    short = int.from_bytes(start[4:8], "little") < 256
    return start[:2] in (b"\2\0", b"\x08\0") and (explicit or short)


def _read_meta(start: bytes, offset: int) -> tuple[UID, int]:
    """Transfer syntax, and the end of the file meta information.

    The group is always in explicit little-endian, and first when there is one.
    """
    uid = UID("")
    while start[offset : offset + 2] == b"\2\0":
        element, vr, length = struct.unpack_from("<H2sH", start, offset + 2)
        offset += 8
        if vr in _LONG:
            (length,) = struct.unpack_from("<I", start, offset)
            offset += 4
        if element == 0x10:
            uid = UID(start[offset : offset + length].strip(b"\0 ").decode("ascii"))
            if not uid.is_valid:
                raise ValueError("no transfer syntax")
        offset += length
    return uid, offset


def _guess_syntax(start: bytes) -> UID:
    """The uncompressed transfer syntax in which a dataset begins."""
    if not (start[4:6].isalpha() and start[4:6].isupper()):
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if start[0] == 0 else ExplicitVRLittleEndian


def _inflate(path: Path, file: BinaryIO) -> io.BytesIO:
    """What a deflated dataset inflates to; pydicom alone would not bound it."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = stream.decompress(file.read(_MAX_INFLATED_BYTES), _MAX_INFLATED_BYTES)
    if not stream.eof:
        raise InputError(
            f"{path}: cut off, or inflates to more than {_MAX_INFLATED_BYTES} bytes"
        )
    return io.BytesIO(inflated)

"""Published files, in a folder or still in their tar archive.

The threat is an archive that somebody else packed: names and links that lead outside
it, forged lengths, a listing without an end. Headers are parsed by `tarfile`, in its
five dialects; what it lacks are bounds, so it is given the file through `_Headers`,
which reads small pieces, in all no more than `MAX_HEADERS_BYTES`, and never backwards
(a forged size could fill the memory, or lead in a circle). It ends quietly where a
header is damaged, so that what follows must be zeros is checked here.

An archive is read where it lies: its headers once, from front to back, then any
member by its place. Nothing is unpacked, so no name in it can reach a file outside.
Only regular files are members; links, devices, sparse files and names that leave
the archive are left out, and said so. Compressed archives have no places to go to
and are refused.
"""

import dataclasses
import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from sisr_jax.data.plan import Skip
from sisr_jax.errors import InputError, one_line

# Of one header, and of all of them, which are kept while an archive is listed. A
# header has 512 bytes, a long name or a table of attributes some more.
_MAX_HEADER_BYTES = 2**16
MAX_HEADERS_BYTES = 2**26
_SHOWN = 200
_BLOCK = 512
_OTHER_FORMATS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
}


class Files(Protocol):
    """Files by the name under which they were published."""

    def read(self, name: str, *, max_bytes: int) -> bytes:
        """The content of a file.

        Raises:
            InputError: If it is missing, larger than `max_bytes` or unreadable.
        """
        ...

    def label(self, name: str) -> str:
        """What messages call a file."""
        ...


@dataclasses.dataclass(frozen=True)
class Folder:
    """Files below a folder; see `Files`."""

    root: Path

    def read(self, name: str, *, max_bytes: int) -> bytes:
        """See `Files`."""
        path = self.root / name
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            if path.stat().st_size > max_bytes:
                raise InputError(f"{path}: larger than {max_bytes} bytes")
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error

    def label(self, name: str) -> str:
        """The path of a file."""
        return str(self.root / name)


class Member(NamedTuple):
    """Where a file lies in its archive, in bytes."""

    start: int
    size: int


@dataclasses.dataclass(frozen=True)
class Archive:
    """Files of a tar archive; see `Files`.

    Attributes:
        path: The archive.
        members: Its regular files by name; of several of one name the last, as
            unpacking would leave it.
        left_out: What is no file of the archive, or was replaced in it.
    """

    path: Path
    members: Mapping[str, Member]
    left_out: Sequence[Skip]

    def read(self, name: str, *, max_bytes: int) -> bytes:
        """See `Files`."""
        member = self.members.get(str(PurePosixPath(name)))
        if member is None:
            raise InputError(f"{self.label(name)}: no such file")
        if member.size > max_bytes:
            raise InputError(f"{self.label(name)}: larger than {max_bytes} bytes")
        try:
            with self.path.open("rb") as file:
                file.seek(member.start)
                return file.read(member.size)
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be read ({error.strerror})"
            ) from error

    def label(self, name: str) -> str:
        """Archive and member."""
        return f"{self.path}: {name}"


def open_archive(path: Path) -> Archive:
    """Lists an archive, without reading its files.

    Args:
        path: A tar archive of any dialect, not compressed.

    Raises:
        InputError: If it is compressed, cut off, damaged, without a file, or has
            headers of more than `MAX_HEADERS_BYTES`.
    """
    members: dict[str, Member] = {}
    left_out: list[Skip] = []
    for info in _entries(path):
        name = str(PurePosixPath(info.name))
        reason = unfit = _reason_to_leave_out(info)
        if name in members and not unfit:
            reason = "replaced by a later file of the archive"
        if reason:
            item = f"{path.name}: {info.name[:_SHOWN]!r}"
            left_out.append(Skip(item, reason, ""))
        if not unfit:
            members[name] = Member(info.offset_data, info.size)
    if not members:
        raise InputError(f"{path}: no file in this archive")
    return Archive(path, members, left_out)


def _reason_to_leave_out(info: tarfile.TarInfo) -> str:
    name = PurePosixPath(info.name)
    if name.is_absolute() or ".." in name.parts or not name.name:
        return "a name that leaves the archive"
    if info.issym() or info.islnk():
        return "a link in the archive"
    if info.issparse():
        return "a sparse file in the archive"
    return "" if info.isreg() else "a device in the archive"


def _entries(path: Path) -> Iterator[tarfile.TarInfo]:
    """Every entry of an archive but its folders."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            _check_format(path, file.read(_BLOCK))
            file.seek(0)
            yield from _walk(path, file, size)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    # Forged headers surface as almost any type; the cause stays chained.
    except Exception as error:
        reason = one_line(error)
        raise InputError(f"{path}: damaged tar archive ({reason})") from error


def _check_format(path: Path, head: bytes) -> None:
    for magic, name in _OTHER_FORMATS.items():
        if head.startswith(magic):
            raise InputError(
                f"{path}: {name} file, expected a plain tar archive; unpack it first"
            )


def _walk(path: Path, file: io.BufferedReader, size: int) -> Iterator[tarfile.TarInfo]:
    with tarfile.open(fileobj=_Headers(file), mode="r:") as archive:
        while (info := archive.next()) is not None:
            if info.size < 0 or (info.isreg() and info.offset_data + info.size > size):
                raise InputError(
                    f"{path}: cut off, or damaged: {size} bytes, and a file of "
                    f"{info.size} that begins at {info.offset_data}"
                )
            if not info.isdir():
                yield info
        end = archive.offset
    # The listing ends as quietly at a damaged header as at the end.
    file.seek(end)
    if any(file.read(_BLOCK)):
        raise InputError(f"{path}: damaged tar archive (no header at byte {end})")


class _Headers(io.RawIOBase):
    """An archive as its listing may read it: small pieces, never backwards."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._reached = 0
        self._left = MAX_HEADERS_BYTES

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        # The last byte of a file is read to see that it is there.
        if whence != io.SEEK_SET or offset < self._reached - 1:
            raise ValueError(f"a header that leads back to byte {offset}")
        return self._file.seek(offset)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise ValueError(f"a header of {size} bytes")
        self._left -= size
        if self._left < 0:
            raise ValueError(f"headers of more than {MAX_HEADERS_BYTES} bytes")
        data = self._file.read(size)
        self._reached = self._file.tell()
        return data

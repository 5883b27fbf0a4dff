"""NumPy archives: one real 2-D array of physical values."""

import struct
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from sisr_jax.data.formats.headers import Decoded, Header, to_physical
from sisr_jax.data.formats.npy import (
    ARRAY_HEADER_BYTES,
    Layout,
    find_layout,
    values_of,
)
from sisr_jax.errors import InputError

# What `np.savez` writes; others make ten thousand bytes of one.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Members are listed before the first is opened.
_MAX_MEMBERS = 1000


def check_npz(path: Path) -> Header:
    """Header of the image in an npz file, without reading its values.

    Raises:
        InputError: If there is not exactly one array and none is called `image`,
            it is not a real 2-D array, or its size in the archive is another than
            its shape and type ask for.
        Exception: Of the archive, if it is damaged.
    """
    return _inspect(path)[2]


def read_npz(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[Decoded]:
    """The array of an npz file, already physical, for each index 0.

    Raises:
        InputError: As `check_npz`.
        Exception: Of the archive, if the values are cut off or damaged.
    """
    key, layout, header = _inspect(path)
    for _ in indices:
        with zipfile.ZipFile(path) as archive:
            values = values_of(archive.read(f"{key}.npy"), layout)
        yield to_physical(values, header, path=path, rescale=rescale)


def _inspect(path: Path) -> tuple[str, Layout, Header]:
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: not an npz file, or cut off")
    check_members(path)
    with zipfile.ZipFile(path) as archive:
        names = [n[:-4] for n in archive.namelist() if n.endswith(".npy")]
        key = names[0] if len(names) == 1 else "image"
        if key not in names:
            raise InputError(
                f"{path}: holds {', '.join(map(repr, names[:5])) or 'no array'}; "
                "expected one array or one called 'image'"
            )
        member = archive.getinfo(f"{key}.npy")
        if member.compress_type not in METHODS:
            raise InputError(
                f"{path}: array {key!r} by compression method {member.compress_type}, "
                "expected none or deflate, as NumPy writes"
            )
        with archive.open(member) as file:
            start = file.read(ARRAY_HEADER_BYTES)
    layout = find_layout(path, start, member.file_size, name=f"array {key!r}")
    return key, layout, Header("npz", layout.shape, layout.dtype.name)


def check_members(path: Path) -> None:
    """Refuses a list of members that would take long to read, by the end record.

    Raises:
        InputError: If there are more than a thousand.
    """
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, 2**16 + 22), 2)
        tail = file.read()
    place = tail.rfind(b"PK\5\6")
    (members,) = struct.unpack_from("<H", tail.ljust(place + 12, b"\0"), place + 10)
    # Of archives beyond 4 GiB, whose other end record states the number.
    if b"PK\6\7" in tail[max(place - 20, 0) : place] or members > _MAX_MEMBERS:
        raise InputError(
            f"{path}: npz of {members} members or more, expected {_MAX_MEMBERS}"
        )

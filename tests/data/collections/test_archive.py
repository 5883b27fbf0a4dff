import io
import struct
import tarfile

import pytest

from sisr_jax.data.collections import archive
from sisr_jax.data.collections.archive import Folder, open_archive
from sisr_jax.errors import InputError


def entry(name, data=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def write(path, *entries, dialect=tarfile.PAX_FORMAT):
    with tarfile.open(path, "w", format=dialect) as file:
        for info, data in entries:
            file.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.tar"


@pytest.mark.parametrize(
    "dialect", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_members_are_read_by_name(path, dialect):
    long = "/".join(["folder" * 8] * 3) + "/file"
    directory, _ = entry("sub", type=tarfile.DIRTYPE)
    entries = [entry("./sub//a", b"first"), entry(long, b"second" * 1000)]
    found = open_archive(write(path, (directory, b""), *entries, dialect=dialect))
    assert found.read("sub/a", max_bytes=5) == b"first"
    assert found.read(f"./{long}", max_bytes=6000) == b"second" * 1000
    assert found.members.keys() == {"sub/a", long}
    assert not found.left_out


@pytest.mark.parametrize(
    ("unfit", "reason"),
    [
        (entry("../up", b"x"), "leaves the archive"),
        (entry("a/../../up", b"x"), "leaves the archive"),
        (entry("/etc/passwd", b"x"), "leaves the archive"),
        (entry("bad", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a link"),
        (entry("bad", type=tarfile.LNKTYPE, linkname="good"), "a link"),
        (entry("bad", type=tarfile.CHRTYPE, devmajor=1, devminor=5), "a device"),
        (entry("bad", type=tarfile.BLKTYPE), "a device"),
        (entry("bad", type=tarfile.FIFOTYPE), "a device"),
        (entry("\udcff\n/../x", b"x"), "leaves the archive"),
    ],
)
def test_what_is_no_file_is_left_out(path, unfit, reason):
    found = open_archive(write(path, unfit, entry("good", b"1")))
    assert found.members.keys() == {"good"}
    [skip] = found.left_out
    assert reason in skip.reason
    assert skip.item.startswith("a.tar: ")
    assert skip.item.isprintable()
    with pytest.raises(InputError, match="no such file"):
        found.read(unfit[0].name, max_bytes=10)


def test_of_several_files_of_a_name_the_last_counts(path):
    found = open_archive(write(path, entry("a", b"old"), entry("./a", b"new")))
    assert found.read("a", max_bytes=3) == b"new"
    assert [skip.reason for skip in found.left_out] == [
        "replaced by a later file of the archive"
    ]


def test_sparse_files_are_left_out(path):
    info, _ = entry("holes", type=tarfile.GNUTYPE_SPARSE)
    write(path, (info, b""), entry("good", b"1"), dialect=tarfile.GNU_FORMAT)
    found = open_archive(path)
    assert found.members.keys() == {"good"}
    assert [skip.reason for skip in found.left_out] == ["a sparse file in the archive"]


def test_bounds(path, monkeypatch):
    found = open_archive(write(path, entry("a", b"12345"), entry("b", b"1")))
    with pytest.raises(InputError, match=r"a\.tar: a: larger than 4 bytes"):
        found.read("a", max_bytes=4)
    monkeypatch.setattr(archive, "MAX_HEADERS_BYTES", 1000)
    with pytest.raises(InputError, match="headers of more than 1000 bytes"):
        open_archive(path)


def forged(data, place, text):
    """A header with another field and the checksum that goes with it."""
    header = bytearray(data[:512])
    header[place : place + len(text)] = text
    header[148:156] = b" " * 8
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header) + data[512:]


def base256(number):
    return struct.pack(">i", -1 if number < 0 else -(2**31)) + struct.pack(">q", number)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "a.tar: damaged tar archive"),
        (lambda data: b"no archive" * 100, "damaged tar archive"),
        (lambda data: bytes(10240), "no file in this archive"),
        (lambda data: b"\x1f\x8b\x08" + data, "gzip file, expected a plain tar"),
        (lambda data: b"PK\x03\x04" + data, "zip file, expected a plain tar"),
        (lambda data: data[:515], "cut off, or damaged: 515 bytes, and a file of 5"),
        (lambda data: data[:700], "unexpected end of data"),
        (lambda data: data[:1300], "no header at byte 1024"),
        (lambda data: data[:1024] + b"x" + data[1025:], "no header at byte 1024"),
        (lambda data: forged(data, 124, b"77777777777\0"), "cut off, or damaged"),
        (lambda data: forged(data, 124, base256(-512)), "damaged"),
        (lambda data: forged(data, 124, base256(-4096)), "damaged"),
        (lambda data: forged(data, 124, base256(2**62)), "cut off, or damaged"),
    ],
)
def test_hostile_archives(path, change, message):
    write(path, entry("a", b"12345"), entry("b", b"1"), dialect=tarfile.USTAR_FORMAT)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=message) as error:
        open_archive(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [b"L", b"x", b"g"])
def test_a_long_header_is_not_read(path, kind):
    write(path, entry("a", b"12345"), dialect=tarfile.USTAR_FORMAT)
    data = forged(path.read_bytes(), 124, b"10000000000\0")
    path.write_bytes(forged(data, 156, kind))
    with pytest.raises(InputError, match="a header of 1073741824 bytes"):
        open_archive(path)


def test_missing_archive(path):
    with pytest.raises(InputError, match=r"a\.tar: cannot be read \(No such file"):
        open_archive(path)


def test_folder(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    folder = Folder(tmp_path)
    assert folder.read("a", max_bytes=5) == b"12345"
    with pytest.raises(InputError, match="a: larger than 4 bytes"):
        folder.read("a", max_bytes=4)
    with pytest.raises(InputError, match="b: no such file"):
        folder.read("b", max_bytes=4)

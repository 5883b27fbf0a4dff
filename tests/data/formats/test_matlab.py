import io
import math
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import scipy.io

from sisr_jax.data.formats import matlab
from sisr_jax.data.formats.matlab import read_mat, read_mat_file
from sisr_jax.errors import InputError

# In a structure whose longest field name has six letters, and a zero.
WIDTH = b"\5\0\4\0\7\0\0\0"
IQ = (np.arange(12).reshape(4, 3) * (1 + 2j)).astype(np.complex64)


def content(compress=True, **variables):
    file = io.BytesIO()
    variables = variables or {"iq": IQ, "dtce": IQ.real.astype(np.float64)}
    scipy.io.savemat(file, variables, do_compression=compress)
    return file.getvalue()


def read(data, *names):
    return read_mat(data, names, label="a.mat")


@pytest.mark.parametrize("compress", [False, True])
def test_reads_what_was_saved(compress):
    found = read(content(compress), "iq", "dtce")
    np.testing.assert_array_equal(found["iq"], IQ)
    np.testing.assert_array_equal(found["dtce"], IQ.real)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.array([[2**63]], np.uint64),
        np.array([[1 + 2j]]),
        np.array([[0.5, np.inf, np.nan]]),
    ],
)
def test_types_and_shapes_as_scipy_reads_them(array):
    data = content(a_name_of_some_length=array, iq=array)
    found = read(data, "iq")["iq"]
    expected = scipy.io.loadmat(io.BytesIO(data))["iq"]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def stored_small(shape, flags=6, parts=1):
    """A variable `iq` of class double (6) whose numbers are stored as int8."""
    size = math.prod(shape)
    values = [struct.pack("<II", 1, size) + bytes(range(5)) * (size // 5)] * parts
    matrix = b"".join(
        [
            struct.pack("<IIII", 6, 8, flags, 0),
            struct.pack("<IIii", 5, 8, *shape),
            struct.pack("<HH4s", 1, 2, b"iq"),
            *(value + bytes(-size % 8) for value in values),
        ]
    )
    return content()[:128] + struct.pack("<II", 14, len(matrix)) + matrix


@pytest.mark.parametrize("parts", [1, 2])
def test_small_numbers_become_what_their_class_says(parts):
    data = stored_small((5, 3), 6 | 0x0800 * (parts - 1), parts)
    found = read(data, "iq")["iq"]
    expected = np.repeat(np.arange(5.0)[:, None], 3, 1)
    np.testing.assert_array_equal(
        found, expected * (1 + 1j) if parts == 2 else expected
    )
    assert found.dtype == (np.complex128 if parts == 2 else np.float64)
    theirs = scipy.io.loadmat(io.BytesIO(data))["iq"]
    np.testing.assert_array_equal(found, theirs)


@pytest.mark.parametrize(("columns", "parts"), [(2**15 // 5 * 5, 1), (2**14, 2)])
def test_numbers_that_grow_in_memory_are_refused(monkeypatch, columns, parts):
    monkeypatch.setattr(matlab, "MAX_BYTES", 2**20)
    fits = stored_small((5, columns // 10), 6 | 0x0800 * (parts - 1), parts)
    read(fits, "iq")
    data = stored_small((5, columns), 6 | 0x0800 * (parts - 1), parts)
    assert len(data) < 2**18
    tracemalloc.start()
    with pytest.raises(InputError, match="are more than 1048576 bytes"):
        read(data, "iq")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**17


def test_big_endian():
    matrix = b"".join(
        [
            struct.pack(">IIII", 6, 8, 6, 0),
            struct.pack(">IIii", 5, 8, 1, 2),
            struct.pack(">HH4s", 2, 1, b"iq\0\0"),
            struct.pack(">IIhhxxxx", 3, 4, -1, 300),
        ]
    )
    data = b"MATLAB 5.0 MAT-file".ljust(124) + b"\1\0MI"
    data += struct.pack(">II", 14, len(matrix)) + matrix
    assert read(data, "iq")["iq"].tolist() == [[-1, 300]]


@pytest.mark.parametrize("compress", [False, True])
def test_fields_of_structures(compress):
    inner = {"text": "mm", "angles": np.arange(3.0), "empty": np.zeros((0, 0))}
    scan = {"kind": "2d", "sinogram": IQ, "parameters": inner | {"count": np.int16(7)}}
    data = content(compress, other={"sinogram": 1.0}, scan=scan)
    names = ("scan.sinogram", "scan.parameters.angles", "scan.parameters.count")
    found = read(data, *names)
    assert tuple(found) == names
    np.testing.assert_array_equal(found[names[0]], IQ)
    np.testing.assert_array_equal(found[names[1]], [[0, 1, 2]])
    assert found[names[2]] == 7


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"parameters": {"b": 1.0}}, "no variable 'iq.parameters.a'"),
        ({"parameters": 1.0}, "no variable 'iq.parameters.a'"),
        (1.0, "no variable 'iq.parameters.a'"),
        ({"parameters": {"a": "text"}}, "'iq.parameters.a' is not a full numeric"),
        ({"parameters": {"a": {"b": 1.0}}}, "'iq.parameters.a' is not a full numeric"),
        ({"parameters": [{"a": 1.0}, {"a": 2.0}]}, "no variable 'iq.parameters.a'"),
    ],
)
def test_fields_that_are_missing_or_no_numbers(value, message):
    with pytest.raises(InputError, match=message):
        read(content(iq=value), "iq.parameters.a")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (WIDTH, b"\5\0\4\0\x00\0\0\0", "names of 0"),
        (WIDTH, b"\5\0\4\0\x21\0\0\0", "14 bytes of names of 33"),
        (WIDTH, b"\5\0\2\0\7\0\0\0", "without names"),
        (b"second", b"first\0", "two fields 'iq.first'"),
    ],
)
def test_damaged_structures(old, new, message):
    data = content(False, iq={"first": 1.0, "second": 2.0})
    assert data.count(old) == 1
    with pytest.raises(InputError, match=message):
        read(data.replace(old, new), "iq.first")


def test_files_on_a_disk(tmp_path, monkeypatch):
    path = tmp_path / "a.mat"
    path.write_bytes(content())
    np.testing.assert_array_equal(read_mat_file(path, ["iq"])["iq"], IQ)
    monkeypatch.setattr(matlab, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(InputError, match=r"a\.mat: expected at most"):
        read_mat_file(path, ["iq"])
    with pytest.raises(InputError, match=r"b\.mat: cannot be opened"):
        read_mat_file(tmp_path / "b.mat", ["iq"])


def matrix_size():
    return content(False)[132:136]


def bomb(size):
    """A matrix of `size` zero bytes, deflated to about a thousandth."""
    packer = zlib.compressobj(9)
    packed = packer.compress(struct.pack("<II", 14, size) + bytes(8))
    for _ in range(size // 2**20):
        packed += packer.compress(bytes(2**20))
    packed += packer.flush()
    return content()[:128] + struct.pack("<II", 15, len(packed)) + packed


def many_dimensions(count):
    matrix = struct.pack("<IIII", 6, 8, 6, 0)
    matrix += struct.pack("<II", 5, 4 * count) + b"\1\0\0\0" * count
    matrix += bytes(4 * (count % 2)) + struct.pack("<HH4s", 1, 2, b"iq")
    matrix += struct.pack("<II", 9, 8) + bytes(8)
    return content()[:128] + struct.pack("<II", 14, len(matrix)) + matrix


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a MATLAB 5 file"),
        (b"PK\x03\x04" * 50, "not a MATLAB 5 file"),
        (b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(600), r"7\.3 \(HDF5\)"),
        (bytes(512) + b"\x89HDF\r\n\x1a\n" + bytes(64), r"7\.3 \(HDF5\)"),
        (content()[:128] + struct.pack("<II", 14, 2**31), "2147483648 bytes, 0 are"),
        (content()[:-20], "bytes, [0-9]+ are left"),
        (content() + b"abc", "cut off between elements"),
        (content(False).replace(matrix_size(), b"\xff\xff\xff\x7f"), "are left"),
        (
            content(False, iq=IQ.real.astype("f4")).replace(
                b"\5\0\0\0\x08\0\0\0\4", b"\5\0\0\0\x08\0\0\0\5"
            ),
            r"48 bytes for shape \[5, 3\] of f4",
        ),
        (content()[:128] + struct.pack("<II", 15, 16) + bytes(16), "damaged MATLAB"),
        (bomb(2**21), "inflates to more than 1048576 bytes"),
        (content(False, iq=IQ) + content(False, iq=IQ)[128:], "two variables 'iq'"),
        (content() + bytes(8 * 1001), "more than 1000 variables"),
        (many_dimensions(33), "132 bytes of dimensions"),
        (content(iq="text"), "'iq' is not a full numeric"),
        (content(iq={"field": 1.0}), "'iq' is not a full numeric"),
        (content(dtce=np.eye(3)), "no variable 'iq'"),
    ],
)
def test_hostile_files(monkeypatch, data, message):
    monkeypatch.setattr(matlab, "MAX_BYTES", 2**20)
    with pytest.raises(ValueError, match=message) as error:
        read(data, "iq")
    assert str(error.value).count("\n") == 0
    assert "a.mat" in str(error.value)


@pytest.mark.parametrize("names", [("iq", "dtce"), ("a.iq", "a.b.dtce")])
@pytest.mark.parametrize("compress", [False, True])
def test_mutated_files_are_read_or_refused(compress, names):
    fields = {"a": {"iq": IQ, "b": {"dtce": IQ.real}}} if "a.iq" in names else {}
    good = content(compress, **fields)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        data = bytearray(good)
        for _ in range(rng.integers(1, 6)):
            place = rng.integers(len(data))
            if rng.random() < 0.3:
                data[place : place + 4] = rng.bytes(4)
            else:
                data[place] = rng.integers(256)
        if rng.random() < 0.2:
            del data[rng.integers(len(data)) :]
        try:
            found = read(bytes(data), *names)
        except InputError:
            refused += 1
        else:
            assert all(value.dtype.kind in "uifc" for value in found.values())
    assert 50 < refused < 500


def stored_as(kind, values, array_class):
    """A variable `iq` of some class whose numbers are stored as another type."""
    matrix = b"".join(
        [
            struct.pack("<IIII", 6, 8, array_class, 0),
            struct.pack("<IIii", 5, 8, 1, len(values)),
            struct.pack("<HH4s", 1, 2, b"iq"),
            struct.pack("<II", kind, values.nbytes),
            values.tobytes() + bytes(-values.nbytes % 8),
        ]
    )
    return content()[:128] + struct.pack("<II", 14, len(matrix)) + matrix


@pytest.mark.parametrize(
    ("kind", "dtype", "number", "array_class", "expected"),
    [
        (2, "u1", 200, 6, np.float64(200)),  # as MATLAB stores a double
        (1, "i1", -3, 10, np.int16(-3)),
        (4, "u2", 65535, 12, np.int32(65535)),
        (5, "i4", 255, 9, np.uint8(255)),  # wide, and fits
        (9, "f8", 1e30, 7, np.float32(1e30)),
        (9, "f8", np.nan, 7, np.float32(np.nan)),
        (2, "u1", 200, 8, None),  # -56
        (1, "i1", -3, 9, None),  # 253
        (5, "i4", 256, 9, None),  # 0
        (13, "u8", 2**63, 14, None),
        (12, "i8", -1, 15, None),
        (9, "f8", 0.5, 10, None),
        (9, "f8", np.nan, 12, None),
        (9, "f8", 1e300, 7, None),  # infinite
    ],
)
def test_numbers_that_do_not_fit_their_class_are_refused(
    kind, dtype, number, array_class, expected
):
    data = stored_as(kind, np.array([7, number], dtype), array_class)
    if expected is None:
        with pytest.raises(InputError, match=f"damaged .*numbers of {dtype} that do"):
            read(data, "iq")
    else:
        found = read(data, "iq")["iq"]
        np.testing.assert_array_equal(found, np.array([[7, expected]], expected.dtype))
        assert found.dtype == expected.dtype

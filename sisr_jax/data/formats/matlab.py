"""Numeric arrays of MATLAB 5 files (`save -v6`, `-v7`), read with bounds.

The threat is a file from an archive that somebody else packed: damaged, or forged.
It may not end or hang the process, nor fill the memory; one bad recording is left
out and named. `scipy.io.loadmat` cannot keep that: its compiled parser trusts the
lengths in the file, and of 4,000 files with one to four damaged bytes 22 ended the
process (SciPy 1.17.1). So the part of the format that the recordings need, full
numeric arrays, alone or as fields of a structure, is read here, where every length is
checked before it is used; the tests compare it with SciPy.

Layout: "MAT-File Format", The MathWorks: a header of 128 bytes, then elements of an
8-byte tag (type, length) and data. Type 14 is a matrix, made of elements itself;
type 15 is a zlib stream of one element.
"""

import itertools
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sisr_jax.errors import InputError, one_line

# Of a file, of all its variables together after inflating, and of one array as
# numbers: MATLAB stores doubles that are small integers in one byte each. A recording
# of the ultrasound collection has about 2 MB, a measured sinogram 3 MB.
MAX_BYTES = 64 * 2**20
# Of a file; the recordings have two. An empty one takes 8 bytes, but time to read.
_MAX_VARIABLES = 1000
_MAX_DIMENSIONS = 32

_MATRIX, _COMPRESSED = 14, 15
_STRUCTURE = 2
_COMPLEX = 0x0800
_ORDERS = {b"IM": "<", b"MI": ">"}
# Dimensions of a single structure.
_ONE = {order: struct.pack(f"{order}ii", 1, 1) for order in _ORDERS.values()}
# Element types of numbers, and array classes, as NumPy codes.
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
_TYPES |= {12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4"}
_CLASSES |= {13: "u4", 14: "i8", 15: "u8"}
_HDF5 = b"\x89HDF\r\n\x1a\n"


class _DamagedError(ValueError):
    pass


class _Element(NamedTuple):
    kind: int
    data: memoryview


def read_mat_file(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Reads some arrays of a MATLAB file on a disk, see `read_mat`.

    Raises:
        InputError: As `read_mat`, or if the file is larger than `MAX_BYTES` or cannot
            be opened.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: expected at most {MAX_BYTES} bytes")
    return read_mat(data, names, label=str(path))


def read_mat(data: bytes, names: Sequence[str], *, label: str) -> dict[str, np.ndarray]:
    """Reads some arrays of a MATLAB file.

    Args:
        data: Content of the file; whoever reads it keeps `MAX_BYTES`.
        names: Variables that must be there; `a.b` is field `b` of the structure `a`,
            which may be a field itself.
        label: What messages call the file.

    Returns:
        The arrays, real or complex, of two or more dimensions, as stored.

    Raises:
        InputError: If the file is damaged or of another kind (MATLAB 7.3, which is
            HDF5, is not supported), or a variable is missing or not numeric.
    """
    if data.startswith(b"MATLAB 7.3") or _HDF5 in data[:1024]:
        raise InputError(
            f"{label}: MATLAB 7.3 (HDF5) file, which is not supported; save it with -v7"
        )
    order = _ORDERS.get(data[126:128])
    if not data.startswith(b"MATLAB 5.0") or order is None:
        raise InputError(f"{label}: not a MATLAB 5 file, or cut off in its header")
    arrays: dict[str, np.ndarray | None] = {}
    try:
        for element in _variables(memoryview(data)[128:], order):
            found = _read_variable(element, order, names)
            if twice := found.keys() & arrays.keys():
                raise _DamagedError(f"two variables {min(twice)!r}")
            arrays |= found
    except (_DamagedError, zlib.error) as error:
        raise InputError(f"{label}: damaged MATLAB file ({one_line(error)})") from error
    for name in names:
        if name not in arrays:
            raise InputError(f"{label}: no variable {name!r}")
        if arrays[name] is None:
            raise InputError(f"{label}: variable {name!r} is not a full numeric array")
    return {name: array for name, array in arrays.items() if array is not None}


def _variables(data: memoryview, order: str) -> Iterator[memoryview]:
    """The content of each matrix, inflated."""
    left = MAX_BYTES
    # Compressed elements are not padded; matrices have a multiple of 8 anyway.
    for number, element in enumerate(_elements(data, order, pad=False)):
        if number == _MAX_VARIABLES:
            raise _DamagedError(f"more than {_MAX_VARIABLES} variables")
        if element.kind == _COMPRESSED:
            stream = zlib.decompressobj()
            # One byte more than allowed tells too much from just enough.
            inflated = stream.decompress(element.data, left + 1)
            left -= len(inflated)
            if left < 0:
                raise _DamagedError(f"inflates to more than {MAX_BYTES} bytes")
            if not stream.eof:
                raise _DamagedError("a compressed variable is cut off")
            element = next(_elements(memoryview(inflated), order, pad=False), None)
        if element is not None and element.kind == _MATRIX:
            yield element.data


def _elements(data: memoryview, order: str, *, pad: bool = True) -> Iterator[_Element]:
    position = 0
    while position < len(data):
        if position + 8 > len(data):
            raise _DamagedError("cut off between elements")
        kind, size = struct.unpack_from(f"{order}II", data, position)
        if kind >> 16:  # up to 4 bytes, inside the tag
            kind, size, start, stop = kind & 0xFFFF, kind >> 16, 4, 8
            if size > 4:
                raise _DamagedError(f"small element of {size} bytes")
        else:
            start, stop = 8, 8 + size + (-size % 8 if pad else 0)
        if position + start + size > len(data):
            left = len(data) - position - start
            raise _DamagedError(f"element of {size} bytes, {left} are left")
        begin = position + start
        yield _Element(kind, data[begin : begin + size])
        position += stop


def _read_variable(
    data: memoryview, order: str, wanted: Sequence[str], name: str | None = None
) -> dict[str, np.ndarray | None]:
    """What is wanted of a variable or field: arrays, None for what is not numeric."""
    parts = _elements(data, order)
    head = [part.data for part in itertools.islice(parts, 3)]
    if len(head) < 3 or len(head[0]) != 8:
        raise _DamagedError("a variable without a header")
    flags = struct.unpack(f"{order}II", head[0])[0]
    name = str(head[2], "latin-1") if name is None else name  # fields have none here
    if name in wanted:
        return {name: _read_array(parts, order, head[1], flags)}
    fields = [each for each in wanted if each.startswith(f"{name}.")]
    is_structure = flags & 0xFF == _STRUCTURE and bytes(head[1]) == _ONE[order]
    return _read_fields(parts, order, fields, name) if fields and is_structure else {}


def _read_fields(
    parts: Iterator[_Element], order: str, wanted: Sequence[str], name: str
) -> dict[str, np.ndarray | None]:
    """Those of one structure: the width of a name, all names, then the values."""
    head = [part.data for part in itertools.islice(parts, 2)]
    if len(head) < 2 or len(head[0]) != 4:
        raise _DamagedError(f"structure {name!r} without names")
    width = struct.unpack(f"{order}i", head[0])[0]
    if width < 1 or len(head[1]) % width:
        raise _DamagedError(f"{len(head[1])} bytes of names of {width}")
    starts = range(0, len(head[1]), width)
    found: dict[str, np.ndarray | None] = {}
    for start, part in zip(starts, parts, strict=False):  # what is missing, is named
        field = bytes(head[1][start : start + width]).partition(b"\0")[0]
        path = f"{name}.{field.decode('latin-1')}"
        inner = [each for each in wanted if f"{each}.".startswith(f"{path}.")]
        if inner and part.kind == _MATRIX:
            values = _read_variable(part.data, order, inner, path)
            if twice := values.keys() & found.keys():
                raise _DamagedError(f"two fields {min(twice)!r}")
            found |= values
    return found


def _read_array(
    parts: Iterator[_Element], order: str, dimensions: memoryview, flags: int
) -> np.ndarray | None:
    """The numbers behind the header of a variable; None of another class."""
    code = _CLASSES.get(flags & 0xFF)
    if code is None:
        return None
    if len(dimensions) % 4 or len(dimensions) > 4 * _MAX_DIMENSIONS:
        raise _DamagedError(f"{len(dimensions)} bytes of dimensions")
    shape = [int(n) for n in np.frombuffer(dimensions, f"{order}i4")]
    if len(shape) < 2 or min(shape) < 1:
        raise _DamagedError(f"variable of shape {shape}")
    is_complex = bool(flags & _COMPLEX)
    kind = np.dtype(("c8" if code == "f4" else "c16") if is_complex else code)
    if math.prod(shape) * kind.itemsize > MAX_BYTES:
        raise _DamagedError(f"{shape} of {kind} are more than {MAX_BYTES} bytes")
    values = _read_values(next(parts, None), order, shape, code)
    if not is_complex:
        return values
    array = np.empty(shape, kind, order="F")
    array.real = values
    array.imag = _read_values(next(parts, None), order, shape, code)
    return array


def _read_values(
    part: _Element | None, order: str, shape: list[int], wanted: str
) -> np.ndarray:
    """Numbers of a class, whose type in the file may be a smaller one."""
    code = _TYPES.get(part.kind) if part else None
    if part is None or code is None:
        raise _DamagedError("a variable without numbers")
    if len(part.data) != math.prod(shape) * np.dtype(code).itemsize:
        raise _DamagedError(f"{len(part.data)} bytes for shape {shape} of {code}")
    stored = np.frombuffer(part.data, order + code).reshape(shape, order="F")
    with np.errstate(invalid="ignore", over="ignore"):  # it is told below
        values = stored.astype(wanted)
    if wanted[0] == "f":
        is_same = np.array_equal(np.isfinite(values), np.isfinite(stored))
    else:  # what is out of range would come back as another number
        is_same = np.array_equal(values, stored)
    if not is_same:
        raise _DamagedError(f"numbers of {code} that do not fit their class, {wanted}")
    return values

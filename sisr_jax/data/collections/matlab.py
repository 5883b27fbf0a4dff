"""Numeric arrays of MATLAB 5 files (`save -v6`, `-v7`), read with bounds.

The threat is a file from an archive that somebody else packed: damaged, or forged.
It may not end or hang the process, nor fill the memory; one bad recording is left
out and named. `scipy.io.loadmat` cannot keep that: its compiled parser trusts the
lengths in the file, and of 4,000 files with one to four damaged bytes 22 ended the
process (SciPy 1.17.1). So the part of the format that the recordings need, full
numeric arrays, is read here, where every length is checked before it is used; the
tests compare it with SciPy.

Layout: "MAT-File Format", The MathWorks: a header of 128 bytes, then elements of an
8-byte tag (type, length) and data. Type 14 is a matrix, made of elements itself;
type 15 is a zlib stream of one element.
"""

import itertools
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sisr_jax.errors import InputError, one_line

# Of a file, of all its variables together after inflating, and of one array as
# numbers: MATLAB stores doubles that are small integers in one byte each. A recording
# of the ultrasound collection has about 2 MB.
MAX_BYTES = 64 * 2**20
# Of a file; the recordings have two. An empty one takes 8 bytes, but time to read.
_MAX_VARIABLES = 1000
_MAX_DIMENSIONS = 32

_MATRIX, _COMPRESSED = 14, 15
_COMPLEX = 0x0800
_ORDERS = {b"IM": "<", b"MI": ">"}
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


def read_mat(data: bytes, names: Sequence[str], *, label: str) -> dict[str, np.ndarray]:
    """Reads some arrays of a MATLAB file.

    Args:
        data: Content of the file; whoever reads it keeps `MAX_BYTES`.
        names: Variables that must be there.
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
            name, array = _read_matrix(element, order, names)
            if name in arrays:
                raise _DamagedError(f"two variables {name!r}")
            if name in names:
                arrays[name] = array
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


def _read_matrix(
    data: memoryview, order: str, wanted: Sequence[str]
) -> tuple[str, np.ndarray | None]:
    """Name, and the array if it is wanted and numeric."""
    parts = _elements(data, order)
    head = [part.data for part in itertools.islice(parts, 3)]
    if len(head) < 3 or len(head[0]) != 8:
        raise _DamagedError("a variable without a header")
    flags = struct.unpack(f"{order}II", head[0])[0]
    name = str(head[2], "latin-1")
    code = _CLASSES.get(flags & 0xFF)
    if name not in wanted or code is None:
        return name, None
    if len(head[1]) % 4 or len(head[1]) > 4 * _MAX_DIMENSIONS:
        raise _DamagedError(f"{len(head[1])} bytes of dimensions")
    shape = [int(n) for n in np.frombuffer(head[1], f"{order}i4")]
    if len(shape) < 2 or min(shape) < 1:
        raise _DamagedError(f"variable of shape {shape}")
    is_complex = bool(flags & _COMPLEX)
    kind = np.dtype(("c8" if code == "f4" else "c16") if is_complex else code)
    if math.prod(shape) * kind.itemsize > MAX_BYTES:
        raise _DamagedError(f"{shape} of {kind} are more than {MAX_BYTES} bytes")
    values = _read_values(next(parts, None), order, shape).astype(code)
    if not is_complex:
        return name, values
    array = np.empty(shape, kind, order="F")
    array.real = values
    array.imag = _read_values(next(parts, None), order, shape).astype(code)
    return name, array


def _read_values(part: _Element | None, order: str, shape: list[int]) -> np.ndarray:
    code = _TYPES.get(part.kind) if part else None
    if part is None or code is None:
        raise _DamagedError("a variable without numbers")
    if len(part.data) != math.prod(shape) * np.dtype(code).itemsize:
        raise _DamagedError(f"{len(part.data)} bytes for shape {shape} of {code}")
    return np.frombuffer(part.data, order + code).reshape(shape, order="F")

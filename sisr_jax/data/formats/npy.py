"""NumPy arrays: a real 2-D array of physical values.

The header is text, which NumPy parses as Python. Decoding threads that do so at the
same time fail now and then (CPython issue 106905, before 3.13), and it costs more than
the three values are worth; here they are picked out.
"""

import math
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sisr_jax.data.formats.headers import Decoded, Header, check_bounds, to_physical
from sisr_jax.errors import InputError

# Longer than the header of any plain array.
ARRAY_HEADER_BYTES = 12_000
_TYPE = re.compile(rb"'descr'\s*:\s*'([<>=|]?[a-zA-Z]\d{0,2})'")
_ORDER = re.compile(rb"'fortran_order'\s*:\s*(True|False)")
_SHAPE = re.compile(rb"'shape'\s*:\s*\(([-\d\s,]{0,200})\)")


class Layout(NamedTuple):
    """An array in its file.

    Attributes:
        shape: Height and width.
        dtype: Of a value.
        columns_first: Whether columns lie one after the other, not rows.
        start: Where the values begin.
    """

    shape: tuple[int, int]
    dtype: np.dtype
    columns_first: bool
    start: int


def check_npy(path: Path) -> Header:
    """Header of the array in an npy file, without reading its values.

    Raises:
        InputError: If it is not a real 2-D array, or its length is another than its
            shape and type ask for.
    """
    return _inspect(path)[1]


def read_npy(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[Decoded]:
    """The array of an npy file, already physical, for each index 0.

    Raises:
        InputError: As `check_npy`.
    """
    layout, header = _inspect(path)
    for _ in indices:
        values = values_of(path.read_bytes(), layout)
        yield to_physical(values, header, path=path, rescale=rescale)


def find_layout(path: Path, start: bytes, stated: int, *, name: str) -> Layout:
    """Layout of an array whose first bytes are known.

    Args:
        path: The file, for messages.
        start: At most `ARRAY_HEADER_BYTES` of the array's file.
        stated: Length of that file.
        name: What messages call the array.

    Raises:
        InputError: As `check_npy`.
    """
    if start[:6] != b"\x93NUMPY" or len(start) < 12:
        raise InputError(f"{path}: {name} is not an npy file, or cut off")
    letter, begin = ("<H", 10) if start[6] == 1 else ("<I", 12)
    (length,) = struct.unpack_from(letter, start, 8)
    text = start[begin : begin + length]
    kind, order, sizes = (found.search(text) for found in (_TYPE, _ORDER, _SHAPE))
    dtype = np.dtype(kind[1].decode() if kind else "O")
    shape = tuple(int(n) for n in sizes[1].split(b",") if n.strip()) if sizes else ()
    if order is None or len(shape) != 2 or dtype.kind not in "uif":
        raise InputError(
            f"{path}: {name} has shape {shape} and type {dtype}; expected two "
            "dimensions of real numbers"
        )
    check_bounds(path, shape)
    needed = begin + length + math.prod(shape) * dtype.itemsize
    if stated != needed:
        raise InputError(
            f"{path}: {name} of {shape[0]}x{shape[1]} {dtype} takes {needed} bytes, "
            f"found {stated}"
        )
    return Layout(shape, dtype, order[1] == b"True", begin + length)


def values_of(data: bytes, layout: Layout) -> np.ndarray:
    """The array, from its whole file.

    Args:
        data: The file.
        layout: Of the array.

    Returns:
        `[height, width]`.
    """
    values = np.frombuffer(data, layout.dtype, offset=layout.start)
    if layout.columns_first:
        return values.reshape(layout.shape[::-1]).T
    return values.reshape(layout.shape)


def _inspect(path: Path) -> tuple[Layout, Header]:
    with path.open("rb") as file:
        start = file.read(ARRAY_HEADER_BYTES)
    layout = find_layout(path, start, path.stat().st_size, name="array")
    return layout, Header("npy", layout.shape, layout.dtype.name)

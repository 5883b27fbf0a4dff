"""NumPy arrays: a real 2-D array of physical values."""

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sisr_jax.data.formats.headers import Decoded, Header, check_bounds, to_physical
from sisr_jax.errors import InputError

# NumPy refuses longer array headers, but only after reading them.
ARRAY_HEADER_BYTES = 12_000


def check_npy(path: Path) -> Header:
    """Header of the array in an npy file, without reading its values.

    Raises:
        InputError: If it is not a real 2-D array, or its length is another than its
            shape and type ask for.
        Exception: Of NumPy, if the header is damaged.
    """
    with path.open("rb") as file:
        start = io.BytesIO(file.read(ARRAY_HEADER_BYTES))
    return check_array(path, start, path.stat().st_size, name="array")


def read_npy(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[Decoded]:
    """The array of an npy file, already physical, for each index 0.

    Raises:
        InputError: As `check_npy`.
    """
    header = check_npy(path)
    for _ in indices:
        values = np.load(path, allow_pickle=False)
        yield to_physical(values, header, path=path, rescale=rescale)


def check_array(path: Path, start: io.BytesIO, stated: int, *, name: str) -> Header:
    """Header of an array whose first bytes are known.

    Args:
        path: The file, for messages.
        start: At most `ARRAY_HEADER_BYTES` of the array's file.
        stated: Length of that file.
        name: What messages call the array.

    Raises:
        InputError: As `check_npy`.
        Exception: Of NumPy, if the header is damaged.
    """
    if np.lib.format.read_magic(start) == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(start)
    else:
        # Version 3 differs in the names of structured types, refused anyway.
        shape, _, dtype = np.lib.format.read_array_header_2_0(start)
    if len(shape) != 2 or dtype.kind not in "uif":
        raise InputError(
            f"{path}: {name} has shape {shape} and type {dtype}; expected two "
            "dimensions of real numbers"
        )
    check_bounds(path, shape)
    needed = start.tell() + math.prod(shape) * dtype.itemsize
    if stated != needed:
        raise InputError(
            f"{path}: {name} of {shape[0]}x{shape[1]} {dtype} takes {needed} bytes, "
            f"found {stated}"
        )
    return Header("npy", (shape[0], shape[1]), dtype.name)

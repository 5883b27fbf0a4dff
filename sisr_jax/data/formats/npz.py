"""NumPy archives: one real 2-D array of physical values."""

import io
import math
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sisr_jax.data.formats.headers import Decoded, Header, check_bounds, to_physical
from sisr_jax.errors import InputError

# NumPy refuses longer array headers, but only after reading them.
_HEADER_BYTES = 12_000


def check_npz(path: Path) -> Header:
    """Header of the image in an npz file, without reading its values.

    Raises:
        InputError: If there is not exactly one array and none is called `image`,
            it is not a real 2-D array, or its size in the archive is another than
            its shape and type ask for.
        Exception: Of the archive, if it is damaged.
    """
    return _inspect(path)[1]


def read_npz(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[Decoded]:
    """The array of an npz file, already physical, for each index 0.

    Raises:
        InputError: As `check_npz`.
        Exception: Of the archive, if the values are cut off or damaged.
    """
    key, header = _inspect(path)
    for _ in indices:
        with np.load(path, allow_pickle=False) as file:
            values = file[key]
        yield to_physical(values, header, path=path, rescale=rescale)


def _inspect(path: Path) -> tuple[str, Header]:
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: not an npz file, or cut off")
    with zipfile.ZipFile(path) as archive:
        names = [n[:-4] for n in archive.namelist() if n.endswith(".npy")]
        key = names[0] if len(names) == 1 else "image"
        if key not in names:
            raise InputError(
                f"{path}: holds {', '.join(names) or 'no array'}; expected one array "
                "or one called 'image'"
            )
        stated = archive.getinfo(f"{key}.npy").file_size
        with archive.open(f"{key}.npy") as file:
            start = io.BytesIO(file.read(_HEADER_BYTES))
    shape, dtype = _read_array_header(start)
    if len(shape) != 2 or dtype.kind not in "uif":
        raise InputError(
            f"{path}: array {key!r} has shape {shape} and type {dtype}; expected two "
            "dimensions of real numbers"
        )
    check_bounds(path, shape)
    needed = start.tell() + math.prod(shape) * dtype.itemsize
    if stated != needed:
        raise InputError(
            f"{path}: array {key!r} of {shape[0]}x{shape[1]} {dtype} takes {needed} "
            f"bytes, the archive states {stated}"
        )
    return key, Header("npz", (shape[0], shape[1]), dtype.name)


def _read_array_header(start: io.BytesIO) -> tuple[tuple[int, ...], np.dtype]:
    if np.lib.format.read_magic(start) == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(start)
    else:
        # Version 3 differs in the names of structured types, refused anyway.
        shape, _, dtype = np.lib.format.read_array_header_2_0(start)
    return shape, dtype

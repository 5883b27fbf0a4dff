"""Weights in a file: safetensors, kernels with half or a quarter of the bits.

Nothing in such a file is code. Names and shapes are those that the network asks for,
or the file is refused. An int8 kernel NAME has a float32 array `NAME.scale`, a number
for each output channel.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from etils import epath
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sisr_jax.errors import InputError, one_line
from sisr_jax.storage.failures import refusing
from sisr_jax.storage.files import check_file, write_whole

# A header has some hundred bytes for each array.
_HEADER_BYTES = 2**20
_SCALE = ".scale"


def write_weights(
    path: epath.Path,
    params: Mapping[str, Any],
    *,
    half_from: float = 1,
    narrow_from: float = math.inf,
) -> None:
    """Writes parameters, kernels with fewer bits and the rest as float32.

    What a kernel adds to an image is a correction of some hundredths: 11 bits of each
    number (float16) are more than enough. In a sum over many channels so are 8, with a
    scale for each output channel (int8).

    Args:
        path: File to write, whole or not at all.
        params: Parameters of a network, nested by module.
        half_from: Kernels of so many numbers or more have 16 bits.
        narrow_from: Kernels of so many numbers or more have 8 bits.

    Raises:
        StorageError: Naming the file, if the storage fails.
    """
    flat: Any = flatten_dict(jax.device_get(params), sep="/")
    arrays = {}
    for name, leaf in flat.items():
        if np.ndim(leaf) < 2 or np.size(leaf) < min(half_from, narrow_from):
            arrays[name] = np.asarray(leaf, np.float32)
        elif np.size(leaf) < narrow_from:
            arrays[name] = np.asarray(leaf, np.float16)
        else:
            peak = np.abs(leaf).max(tuple(range(leaf.ndim - 1)))
            scale = np.maximum(peak / 127, np.finfo(np.float32).tiny)
            arrays[name] = np.rint(leaf / scale).astype(np.int8)
            arrays[name + _SCALE] = scale.astype(np.float32)
    write_whole(path, save(arrays))


def read_weights(
    path: epath.Path, expected: Mapping[str, Any], *, sha256: str | None = None
) -> dict[str, Any]:
    """Reads parameters.

    Args:
        path: What `write_weights` wrote.
        expected: Arrays or shapes of the network's parameters, nested by module.
        sha256: Hash of the file in hexadecimal, if it is known.

    Returns:
        The parameters, float32.

    Raises:
        InputError: If the file is missing, too large, another than the hash says, no
            safetensors file, or has other arrays, shapes or types, or a number that is
            not finite; one line that names it.
        StorageError: If the storage fails otherwise.
    """
    flat: Any = flatten_dict(expected, sep="/")
    shapes = {name: leaf.shape for name, leaf in flat.items()}
    limit = 4 * sum(int(np.prod(shape)) for shape in shapes.values()) + _HEADER_BYTES
    check_file(path)
    with refusing(f"weights {path}"):
        # What the shapes would take may be more than there is memory.
        if path.stat().length > limit:
            raise InputError(f"weights {path}: more than {limit} bytes")
        content = path.read_bytes()
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"weights {path}: not the file that its card is of: damaged")
    try:
        arrays = load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"weights {path}: not a safetensors file: {one_line(error)}"
        ) from error
    for name, array in arrays.items():
        if name in flat and array.ndim > 1 and array.dtype == np.int8:
            shapes[name + _SCALE] = shapes[name][-1:]
    for name in sorted(shapes.keys() ^ arrays.keys()):
        wrong = "is missing" if name in shapes else "is not of this network"
        raise InputError(f"weights {path}: {name[:100]!r} {wrong}")
    checked = {
        name: _checked(path, name, array, shapes[name])
        for name, array in arrays.items()
    }
    with np.errstate(over="ignore"):  # it is told below
        found = {
            name: array * checked.get(name + _SCALE, np.float32(1))
            for name, array in checked.items()
            if name in flat
        }
    for name, array in found.items():
        _check_finite(path, name, array)
    return unflatten_dict(found, sep="/")


def _checked(
    path: epath.Path, name: str, array: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    # A vector, or a scale, has all its bits.
    known = [np.float32] if len(shape) < 2 else [np.float32, np.float16, np.int8]
    if array.shape != shape or array.dtype not in known:
        expected = " or ".join(np.dtype(each).name for each in known)
        raise InputError(
            f"weights {path}: {name!r} is {array.dtype} of shape {array.shape}: "
            f"expected {expected} of {shape}"
        )
    _check_finite(path, name, array)
    return array.astype(np.float32)


def _check_finite(path: epath.Path, name: str, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        raise InputError(f"weights {path}: {name!r} holds numbers that are not finite")

"""Weights in a file: safetensors, kernels with half the digits.

Nothing in such a file is code. Names and shapes are those that the network asks for,
or the file is refused.
"""

import hashlib
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


def write_weights(path: epath.Path, params: Mapping[str, Any]) -> None:
    """Writes parameters, kernels as float16 and the rest as float32.

    Half precision keeps 11 bits of a kernel, and what a kernel adds to an image is a
    correction of some hundredths.

    Args:
        path: File to write, whole or not at all.
        params: Parameters of a network, nested by module.

    Raises:
        StorageError: Naming the file, if the storage fails.
    """
    flat: Any = flatten_dict(jax.device_get(params), sep="/")
    arrays = {
        name: np.asarray(leaf, np.float16 if np.ndim(leaf) > 1 else np.float32)
        for name, leaf in flat.items()
    }
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
    with refusing(f"weights {path}"), path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise InputError(f"weights {path}: more than {limit} bytes")
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"weights {path}: not the file that its card is of: damaged")
    try:
        arrays = load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"weights {path}: not a safetensors file: {one_line(error)}"
        ) from error
    for name in shapes.keys() ^ arrays.keys():
        wrong = "is missing" if name in shapes else "is not of this network"
        raise InputError(f"weights {path}: {name[:100]!r} {wrong}")
    return unflatten_dict(
        {
            name: _checked(path, name, array, shapes[name])
            for name, array in arrays.items()
        },
        sep="/",
    )


def _checked(
    path: epath.Path, name: str, array: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    if array.shape != shape or array.dtype not in (np.float16, np.float32):
        raise InputError(
            f"weights {path}: {name!r} is {array.dtype} of shape {array.shape}: "
            f"expected float16 or float32 of {shape}"
        )
    if not np.isfinite(array).all():
        raise InputError(f"weights {path}: {name!r} holds numbers that are not finite")
    return array.astype(np.float32)

"""Small JSON files that anyone may have edited: of a working folder, of weights."""

import json
from collections.abc import Mapping
from typing import Any

from etils import epath

from sisr_jax.errors import InputError, one_line
from sisr_jax.storage.failures import refusing
from sisr_jax.storage.files import check_file, write_whole

MAX_BYTES = 2**20


def read_object(path: epath.Path) -> dict[str, Any]:
    """Reads a file that holds one JSON object.

    Raises:
        InputError: If it is missing, no file, larger than `MAX_BYTES`, not UTF-8, not
            JSON, no object, or has a key twice in one; one line that names it.
        StorageError: If the storage fails otherwise.
    """
    check_file(path)
    with refusing(f"{path.parent}: reading {path.name}"):
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: more than {MAX_BYTES} bytes")
    try:
        found = json.loads(content.decode(), object_pairs_hook=distinct)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error.reason}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file: {one_line(error)}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: a {type(found).__name__}, expected an object")
    return found


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, for `json.loads`, which would take the last of equal keys.

    Raises:
        ValueError: If a key is given twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def write_object(path: epath.Path, values: Mapping[str, Any]) -> None:
    """Writes a file whole.

    Raises:
        StorageError: Naming the file, if the storage fails.
    """
    write_whole(path, json.dumps(values, indent=2) + "\n")

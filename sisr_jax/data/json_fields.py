"""Fields of a JSON file that others wrote: of bounded size, and wrong in one line."""

import json
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from sisr_jax.errors import InputError, one_line
from sisr_jax.storage.json_files import distinct

# A split of ten thousand shards needs a tenth of it.
MAX_BYTES = 2**20
_NUMBER = re.compile(r"-?\d{1,12}", re.ASCII)
_SHOWN = 80

T = TypeVar("T")


class UnfitError(ValueError):
    """What is wrong with a field; `read_json` adds the file."""


def read_json(path: Path, parse: Callable[[Any], T]) -> T:
    """Reads a file and hands its content to `parse`, which raises `UnfitError`.

    Raises:
        InputError: If the file is missing, larger than `MAX_BYTES`, not UTF-8, not
            JSON, has a key twice in one object, or is not what `parse` expects.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path.parent}: no {path.name} in this folder")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: more than {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason})") from error
    try:
        content = json.loads(text, object_pairs_hook=distinct)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON, or damaged ({one_line(error)})") from error
    try:
        return parse(content)
    except UnfitError as error:
        raise InputError(f"{path}: {error}") from error


def show(value: Any) -> str:
    """A value in a message: one line of bounded length."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def as_object(
    value: Any, what: str, *, keys: Collection[str] | None = None
) -> dict[str, Any]:
    """An object, with no other keys than `keys` if they are given.

    Raises:
        UnfitError: If it is none.
    """
    if not isinstance(value, dict):
        raise UnfitError(f"{what} is {show(value)}, expected an object")
    for key in value:
        if keys is not None and key not in keys:
            raise UnfitError(f"{what} with the key {show(key)}, which is not known")
    return value


def as_list(value: Any, what: str) -> list[Any]:
    """A list.

    Raises:
        UnfitError: If it is none.
    """
    if not isinstance(value, list):
        raise UnfitError(f"{what} is {show(value)}, expected a list")
    return value


def as_number(value: Any, what: str) -> int:
    """An integer of at most 12 digits, also as text, as protocol buffers write it.

    Raises:
        UnfitError: If it is none.
    """
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise UnfitError(f"{what} is {show(value)}, expected an integer")
    return int(text)


def as_name(value: Any, what: str, pattern: str) -> str:
    """A text that a regular expression matches as a whole.

    Raises:
        UnfitError: If it is none.
    """
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
        raise UnfitError(f"{what} is {show(value)}, expected like {pattern}")
    return value

"""The many errors of storages as one: `StorageError`."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator

from absl import logging

from sisr_jax.errors import InputError, StorageError

# Client libraries of GCS report by classes of their own, which do not descend from
# OSError and must not be imported for a run on a local disk.
_LIBRARIES = (
    "gcsfs",
    "aiohttp",
    "requests",
    "google.auth",
    "google.api_core",
    "fsspec",
)
_BAD_REQUEST, _FORBIDDEN = "Bad Request:", "Forbidden:"  # how gcsfs begins them
_PERMANENT_ERRNOS = (errno.EROFS, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)
# How TensorStore ends those of the operating system, after names of its own.
_SYSTEM_ERROR = re.compile(r"\[os_error_code='(\d+)'")
# How it ends all errors: its settings and the lines of its source, which help nobody.
_INTERNALS = re.compile(r"\[(?:tensorstore_spec|source locations)")
_LONGEST = 240
_BUCKET = "gs://"
_REASONS = {
    401: "no valid credentials",
    403: "permission denied",
    404: "no such bucket or object",
}


@contextlib.contextmanager
def reporting(action: str) -> Iterator[None]:
    """Turns what a storage raises inside the block into `StorageError`.

    Args:
        action: What is being done and to which file: `"run/config.json: write"`.

    Raises:
        StorageError: For an error of the operating system or of a storage library;
            any other passes through.
    """
    try:
        yield
    except (InputError, StorageError):
        raise
    except Exception as error:
        if not is_storage_failure(error):
            raise
        raise failure(action, error) from error


@contextlib.contextmanager
def refusing(action: str) -> Iterator[None]:
    """As `reporting`, at the start of a run, when a user may have given a bad path.

    Args:
        action: What is being done and to which file.

    Raises:
        InputError: If trying again without changing anything is pointless: no such
            bucket, no permission.
        StorageError: If it may pass: a full disk, a server that does not answer.
    """
    try:
        with reporting(action):
            yield
    except StorageError as error:
        cause = error.__cause__
        if cause is not None and _is_permanent(cause):
            raise InputError(str(error)) from cause
        raise


def failure(action: str, error: BaseException) -> StorageError:
    """The error to raise for another one; its traceback goes to the log."""
    logging.info("%s failed", action, exc_info=error)
    return StorageError(f"{action} failed: {describe(error, action)}")


def is_storage_failure(error: BaseException) -> bool:
    """Whether an exception comes from the operating system or a storage library."""
    if isinstance(error, OSError):
        return True
    modules = (kind.__module__ for kind in type(error).__mro__)
    return str(error).startswith(_BAD_REQUEST) or any(
        f"{module}.".startswith(f"{library}.")
        for module in modules
        for library in _LIBRARIES
    )


def describe(error: BaseException, action: str) -> str:
    """Why something failed, in one line.

    Args:
        error: What was raised.
        action: What was being done and to which file.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, FileNotFoundError) and _BUCKET in action:
        return _REASONS[404]
    known = _REASONS.get(getattr(error, "code", 0))
    if system := _SYSTEM_ERROR.search(str(error)):
        return os.strerror(int(system[1]))
    text = " ".join(_INTERNALS.split(str(error))[0].split())
    if len(text) > _LONGEST:  # it says where at the beginning and why at the end
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    text = text or type(error).__name__
    return f"{known} ({text})" if known else text


def _is_permanent(error: BaseException) -> bool:
    if getattr(error, "code", None) in _REASONS:
        return True
    permanent = FileNotFoundError, FileExistsError, NotADirectoryError, PermissionError
    return (
        isinstance(error, permanent)
        or str(error).startswith((_BAD_REQUEST, _FORBIDDEN))
        or getattr(error, "errno", None) in _PERMANENT_ERRNOS
    )

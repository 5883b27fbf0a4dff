"""Checkpoints of a storage that is away: bounded waits, one line, nothing damaged."""

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from etils import epath

from sisr_jax.errors import StorageError
from sisr_jax.hosts.leaving import is_loss
from sisr_jax.storage.failures import describe, failure, is_storage_failure
from sisr_jax.storage.files import is_remote

# Storage libraries retry for a quarter of an hour, which nothing public shortens.
SAVE_SECONDS = 600
# How TensorStore begins the errors of a server that is away or refuses.
_OUTAGES = (
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "ABORTED",
    "RESOURCE_EXHAUSTED",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
)


def within_bounds(action: Callable[[], None]) -> None:
    """Runs what may hang as long as the storage is away.

    Raises:
        TimeoutError: After `SAVE_SECONDS`; the action goes on in a thread that the
            process may leave behind.
    """
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            outcome.set_result(action())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        outcome.result(timeout=SAVE_SECONDS)
    except TimeoutError:
        if outcome.done():  # it was the action's own
            raise
        raise TimeoutError(f"not done after {SAVE_SECONDS} s") from None


def is_news(record: logging.LogRecord) -> bool:
    """Whether a log record says what is not raised, or is not meant to be so.

    Orbax also prints tracebacks, and how else it would read what it only describes.
    """
    if "orbax" not in record.pathname:
        return True
    return not (record.exc_info or "CheckpointHandlerRegistry" in record.getMessage())


@contextlib.contextmanager
def without_late_failures() -> Iterator[None]:
    """Drops what TensorStore prints of arrays that fail after a save has failed.

    Orbax leaves its event loop with the first array that cannot be written. Each other
    one then is a traceback `Event loop is closed`, by the hook that Python has for
    errors which nobody can catch, and says nothing that the one line does not. For a
    command, whose process is its own.
    """
    before = sys.unraisablehook

    def hook(found: Any) -> None:  # whose type only stubs know
        is_late = str(found.exc_value) == "Event loop is closed"
        if not (is_late and found.exc_type is RuntimeError):
            before(found)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextlib.contextmanager
def reporting_saves(folder: epath.Path) -> Iterator[None]:
    """Saves fail by many exception types, those of the storage library included."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        if is_loss(error):
            raise
        raise failure(f"{folder}: saving", error) from error


def damage(error: Exception, checkpoint: epath.Path) -> str:
    """What an error says of a checkpoint that could not be read, in one line.

    Orbax reports damage by many exception types, from OSError to the errors of its
    storage library.

    Raises:
        StorageError: If it says nothing: the storage is away.
    """
    if is_loss(error):
        raise error
    if is_outage(error, checkpoint):
        raise failure(f"{checkpoint}: reading", error) from error
    return describe(error, str(checkpoint))


def is_outage(error: Exception, folder: epath.Path) -> bool:
    """Whether a checkpoint may be sound and its storage not, so it must be kept."""
    if not is_remote(folder):
        return isinstance(error, PermissionError | TimeoutError | ConnectionError)
    if any(f"{status}: " in str(error) for status in _OUTAGES):
        return True
    return is_storage_failure(error) and not isinstance(error, FileNotFoundError)

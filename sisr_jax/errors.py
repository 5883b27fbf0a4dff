"""How a command ends: its exit codes, and the errors that are one line."""

import contextlib
import enum
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast

_LONGEST = 200


class ExitCode(enum.IntEnum):
    """What the commands of this package end with; `sisr_jax.main` has the table."""

    DONE = 0
    DIVERGED = 1
    BAD_INPUT = 2
    MISTAKE = 70  # EX_SOFTWARE of sysexits.h
    STORAGE = 74  # EX_IOERR
    RESTART = 75  # EX_TEMPFAIL
    INTERRUPTED = 130  # as a shell says of SIGINT


def end_at_interrupts() -> None:
    """Makes Ctrl-C end the process at once while a command imports its modules.

    That takes seconds, and would end in a traceback of whatever is being imported; a
    compiled module even makes another error of it. Commands that have nothing to save
    leave it so.
    """
    # A process in the background of a shell ignores it, and goes on doing so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def listen_to_interrupts() -> None:
    """Makes Ctrl-C a `KeyboardInterrupt` again, in a command that answers to it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class InputError(ValueError):
    """A configuration, file, folder or checkpoint that cannot be used.

    The message is one line that names the key or file, the value found and what
    was expected; `main` prints it without a traceback.
    """


class StorageError(OSError):
    """A storage that fails in the middle of a run: disk full, server gone.

    The message is one line that names what was being done and to which file. What
    was complete before is intact, so the same command resumes once the storage is
    well again.
    """


def one_line(cause: object) -> str:
    """What an error of a library says, fit for a message: one line of bounded length.

    Libraries quote what they were given, up to a whole file.

    Args:
        cause: An exception, or a text.

    Returns:
        Printable text of at most some 200 letters, never empty.
    """
    text = " ".join(str(cause).split()) or type(cause).__name__
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def ending(
    command: str, run: Callable[[], int], *, interrupted: str = "interrupted"
) -> int:
    """Runs a command of one process; what it ends with is an exit code and a line.

    Args:
        command: Its name, with which the line begins.
        run: Does the work and returns the exit code.
        interrupted: What Ctrl-C has done.

    Returns:
        The exit code; for a mistake in the program there is a traceback.
    """
    listen_to_interrupts()
    try:
        with telling_outputs():
            code = run()
        return flushed(command, code)
    except InputError as error:
        code, line = ExitCode.BAD_INPUT, f"error: {error}"
    except StorageError as error:
        code, line = ExitCode.STORAGE, f"error: {error}"
    except KeyboardInterrupt:
        code, line = ExitCode.INTERRUPTED, interrupted
    except SystemExit as left:  # a parser that was asked for help
        sys.exit(flushed(command, left.code if isinstance(left.code, int) else 0))
    except BrokenPipeError:
        return unread()
    except Exception:
        tell(traceback.format_exc().rstrip())
        return ExitCode.MISTAKE
    tell(f"{command}: {line}")
    return code


@contextlib.contextmanager
def telling_outputs() -> Iterator[None]:
    """Makes what is wrong with the standard streams a `StorageError` that says so.

    Lines that cannot be written fail where they are printed if there is no buffer, or
    more than it holds, and would pass for an error of the file that is being written.
    """
    out = cast(TextIO, _Output(sys.stdout, "standard output"))
    errors = cast(TextIO, _Output(sys.stderr, "standard error"))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        yield


class _Output:
    """A standard stream whose errors name it."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._telling():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._telling():
            self._stream.flush()

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            _silence(self._stream)
            raise StorageError(f"{self._name}: {error.strerror}") from error


def tell(line: str) -> None:
    """Prints a last line to the standard error; if that fails, nobody can be told."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        _failure_of(sys.stderr)


def flushed(command: str, code: int) -> int:
    """Writes out what was printed; what is wrong with that is one line.

    Python does it as it ends, and then ends with a code of its own.

    Args:
        command: Its name, with which the line begins.
        code: What the command ends with.

    Returns:
        That code, also if nobody reads any more, as `head` does not; `STORAGE` if the
        output goes to a disk that is full.
    """
    error = _failure_of(sys.stdout)
    if error is None or isinstance(error, BrokenPipeError):
        return code
    tell(f"{command}: error: standard output: {error.strerror}")
    return ExitCode.STORAGE


def unread() -> ExitCode:
    """What a command ends with whose lines nobody reads any more, before it was done.

    There is nobody to tell, either.
    """
    flush()
    return ExitCode.STORAGE


def flush() -> None:
    """Writes out both standard streams; one that fails leads nowhere from then on."""
    for stream in (sys.stdout, sys.stderr):
        _failure_of(stream)


def _failure_of(stream: TextIO) -> OSError | None:
    """Writes a stream out; one that fails leads nowhere from then on."""
    try:
        stream.flush()
    except OSError as error:
        _silence(stream)
        return error
    return None


def _silence(stream: TextIO) -> None:
    """Lets a stream lead nowhere; else Python would try once more as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)

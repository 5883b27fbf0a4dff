"""Leaving a run early: asked to (SIGTERM, Ctrl-C), or because a process is lost.

Both end with `ExitCode.RESTART`, which asks for the same command again;
`sisr_jax.supervise` gives it.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

import jax
from etils import epath
from jax.experimental import multihost_utils

from sisr_jax.errors import ExitCode, InputError, flush, tell

_FAILURE_FILE = "failure.txt"

# What collectives and barriers say of a process that is gone, and how the runtime
# begins its errors then (those of storage libraries begin alike, of other types).
_LOSSES = ("Gloo", "coordination service", "CoordinationService", "Barrier timed out")
_STATUSES = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED")


class Preempted(Exception):  # noqa: N818 - no error, all is saved
    """The run was asked to leave and has saved its state."""


class Preemption:
    """Notices SIGTERM and Ctrl-C while it is entered, on any process of the run.

    A single process listens itself; of several, the coordinator tells all of them the
    step at which to leave. A second Ctrl-C ends the process at once, whatever it does.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._interrupts = 0
        self._before: dict[int, Any] = {}
        self._numbers: socket.socket | None = None

    def __enter__(self) -> Self:
        if not _is_main_thread():
            return self
        signals = [signal.SIGINT]
        if jax.process_count() == 1:  # else JAX itself listens to this one
            signals.append(signal.SIGTERM)
        self._before = {each: signal.signal(each, self._note) for each in signals}
        # Python notes a signal between two of its own instructions, so not while a
        # program is compiled; a thread hears of it at any time.
        self._numbers, heard = socket.socketpair()
        self._numbers.setblocking(False)
        signal.set_wakeup_fd(self._numbers.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=[heard], daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._numbers is None:
            return
        signal.set_wakeup_fd(-1)
        for number, before in self._before.items():
            signal.signal(number, before)
        self._numbers.close()  # which ends the thread

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked.set()

    def _listen(self, heard: socket.socket) -> None:
        with heard:
            while numbers := heard.recv(1):
                if numbers[0] == signal.SIGINT:
                    self._interrupt()

    def _interrupt(self) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            leave_at_once("interrupted twice: left at once", ExitCode.INTERRUPTED)
        tell("sisr_jax: leaving once this step is saved; Ctrl-C again: at once")
        if jax.process_count() > 1:  # as if the cluster had asked
            os.kill(os.getpid(), signal.SIGTERM)

    def reached(self, step: int) -> bool:
        """Whether to save and leave at this step; asked at every step, by all."""
        if jax.process_count() == 1:
            return self._asked.is_set()
        return multihost_utils.reached_preemption_sync_point(step)


def is_loss(error: BaseException) -> bool:
    """Whether an error says that another process of the run is gone."""
    if not jax.distributed.is_initialized():
        return False
    line = str(error)
    if any(sign in line for sign in _LOSSES):
        return True
    return isinstance(error, jax.errors.JaxRuntimeError) and line.startswith(_STATUSES)


@contextlib.contextmanager
def ending_with_the_others() -> Iterator[None]:
    """Ends this process at once when another one is lost.

    Cleaning up would wait for the process that is gone.
    """
    try:
        yield
    except Exception as error:
        if is_loss(error):
            line = " ".join(str(error).split())
            leave_for_restart(f"another process of the run is lost: {line[:300]}")
        raise


@contextlib.contextmanager
def telling_the_others(workdir: epath.Path) -> Iterator[None]:
    """Ends every process with the line of an InputError that one of them found.

    In the middle of a run the others are waiting for the next step of this process.
    It leaves the line in the working folder, and they find it there when it is gone.

    Args:
        workdir: Working folder of the run, which all of them see.
    """
    path = workdir / _FAILURE_FILE
    try:
        yield
    except InputError as error:
        if jax.distributed.is_initialized():
            with contextlib.suppress(OSError):  # the line matters more
                path.write_text(str(error))
        raise
    except Exception as error:
        if is_loss(error) and path.exists():
            line = " ".join(path.read_bytes().decode(errors="replace").split())
            tell(f"sisr_jax: error: {line}")
            leave(ExitCode.BAD_INPUT)
        raise


def forget_failures(workdir: epath.Path) -> None:
    """Removes what `telling_the_others` left of an earlier run."""
    (workdir / _FAILURE_FILE).unlink(missing_ok=True)


def leave_with_traceback() -> NoReturn:
    """Ends the process for a mistake in the program, with the traceback of it."""
    tell(traceback.format_exc().rstrip())
    leave(ExitCode.MISTAKE)


def leave(exit_code: ExitCode) -> NoReturn:
    """Ends the process with an exit code; one of several does not wait for the rest."""
    if not jax.distributed.is_initialized():
        sys.exit(exit_code)
    flush()
    os._exit(exit_code)


def leave_for_restart(line: str) -> NoReturn:
    """Ends the process at once, with a line, asking for the same command again."""
    leave_at_once(line, ExitCode.RESTART)


def leave_at_once(line: str, exit_code: ExitCode) -> NoReturn:
    """Ends the process with a line, whatever its threads still wait for."""
    tell(f"sisr_jax: {line}")
    flush()
    os._exit(exit_code)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()

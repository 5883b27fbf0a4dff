"""Restarts of a command that was preempted, killed or lost another host.

`ExitCode.RESTART` and death by SIGABRT, SIGBUS, SIGHUP, SIGKILL, SIGSEGV or SIGTERM
ask for a restart; every other exit code is returned. Restarts without progress are
bounded, and wait longer and longer. The command ends with its supervisor, whatever ends
that. Nothing but the standard library is loaded.
"""

import ctypes
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NamedTuple

from sisr_jax.errors import ExitCode, tell

_RESTART_SIGNALS = frozenset(
    {
        *(signal.SIGABRT, signal.SIGBUS, signal.SIGHUP),
        *(signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM),
    }
)
_PROGRESS_VARIABLE = "SISR_JAX_PROGRESS_FILE"
_POLL_SECONDS = 0.2
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Limits(NamedTuple):
    """When to restart and when to give up.

    Attributes:
        max_restarts: Restarts in a row without progress.
        first_seconds: Longest wait before the first of them; each one doubles it.
        longest_seconds: Longest wait of all.
        stopped_seconds: A command that is stopped (SIGSTOP) for so long is killed.
    """

    max_restarts: int
    first_seconds: float
    longest_seconds: float
    stopped_seconds: float


def note_progress(step: int) -> None:
    """Tells the supervisor, if there is one, the step that a run resumes from."""
    path = os.environ.get(_PROGRESS_VARIABLE)
    if path:
        pathlib.Path(path).write_text(str(step))


class Supervisor:
    """Runs one command until it ends for good."""

    def __init__(self, command: Sequence[str], limits: Limits) -> None:
        self._command, self._limits = list(command), limits
        self._asked_to_stop = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Returns the exit code of the last run; 128 + N after signal N."""
        with tempfile.TemporaryDirectory() as folder:
            return self._run(pathlib.Path(folder) / "progress")

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Handles a signal: SIGTERM to the command, and no restart any more."""
        self._asked_to_stop.set()
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)

    def _run(self, progress: pathlib.Path) -> int:
        newest, in_vain = -1, 0
        while True:
            started = time.monotonic()
            code = self._run_once(progress)
            reached = _read_step(progress)
            in_vain = 1 if reached > newest else in_vain + 1
            newest = max(newest, reached)
            if not _asks_for_restart(code) or self._asked_to_stop.is_set():
                return code
            ended = f"exit code {code} after {time.monotonic() - started:.0f} s"
            if in_vain > self._limits.max_restarts:
                say(f"{ended}; giving up after {in_vain - 1} restarts in vain")
                return code
            seconds = _waiting_time(self._limits, in_vain)
            say(
                f"{ended}; restart {in_vain} of {self._limits.max_restarts} without "
                f"progress in {seconds:.1f} s"
            )
            if self._asked_to_stop.wait(seconds):
                return code

    def _run_once(self, progress: pathlib.Path) -> int:
        self._child = subprocess.Popen(
            self._command,
            env=os.environ | {_PROGRESS_VARIABLE: str(progress)},
            preexec_fn=_ending_with_parent(),
        )
        if self._asked_to_stop.is_set():  # it came while the child was being made
            self._child.send_signal(signal.SIGTERM)
        code = self._wait(self._child)
        return code if code >= 0 else 128 - code

    def _wait(self, child: "subprocess.Popen[bytes]") -> int:
        stopped_since = None
        while True:
            try:
                return child.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                now = time.monotonic()
            if not _is_stopped(child.pid):
                stopped_since = None
                continue
            stopped_since = stopped_since or now
            if now - stopped_since >= self._limits.stopped_seconds:
                say(f"stopped for {now - stopped_since:.0f} s: killed")
                child.kill()


def _asks_for_restart(code: int) -> bool:
    return code == ExitCode.RESTART or code - 128 in _RESTART_SIGNALS


def _waiting_time(limits: Limits, in_vain: int) -> float:
    """Between half and all of the bound, so that hosts do not return in step."""
    bound = min(limits.longest_seconds, limits.first_seconds * 2.0 ** (in_vain - 1))
    return random.uniform(bound / 2, bound)


def _read_step(progress: pathlib.Path) -> int:
    """The step that the newest run resumed from; -1 if none got so far."""
    try:
        return int(progress.read_text())
    except (OSError, ValueError):
        return -1


def _is_stopped(pid: int) -> bool:
    if not hasattr(os, "waitid"):
        return False
    options = os.WSTOPPED | os.WNOHANG | os.WNOWAIT
    try:
        return os.waitid(os.P_PID, pid, options) is not None
    except ChildProcessError:  # it has just ended
        return False


def _ending_with_parent() -> Callable[[], None] | None:
    """Makes the child die with this process, where the system can."""
    if not sys.platform.startswith("linux"):
        return None
    library, parent = ctypes.CDLL(None), os.getpid()

    def prepare() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(ExitCode.RESTART)

    return prepare


def say(line: str) -> None:
    """Prints a line of the supervisor on standard error."""
    tell(f"supervise: {line}")

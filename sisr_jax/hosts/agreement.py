"""Several hosts: joining the others and agreeing with them.

The same command runs on every host; each is one process. Process 0 alone writes
files and prints results. Errors of the user's input end all processes with the same
line.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from sisr_jax.errors import InputError
from sisr_jax.hosts.leaving import leave_for_restart

_AUTO = "auto"
_LINE_BYTES = 2048  # of an error line, when it travels
_T = TypeVar("_T")


def join(
    coordinator: str,
    *,
    num_processes: int | None,
    process_id: int | None,
    heartbeat_seconds: int,
    environment: Mapping[str, str],
) -> None:
    """Joins the other processes of the run, if there are any.

    Must be called before anything else of JAX. In this order: the coordinator that
    is named; the cluster, if `coordinator` is `auto` or the environment describes
    several processes (Cloud TPU, Slurm, Open MPI); a single process.

    Args:
        coordinator: `host:port` of process 0, `auto`, or empty.
        num_processes: With `host:port`: how many processes there are.
        process_id: With `host:port`: which one this is.
        heartbeat_seconds: A process that is silent for so long is lost.
        environment: `os.environ`.

    Raises:
        InputError: Naming the flag that is missing or impossible.
    """
    _check_flags(coordinator, num_processes, process_id, heartbeat_seconds)
    if not coordinator and not _describes_several(environment):
        return
    arguments: dict[str, Any] = {}
    if coordinator not in ("", _AUTO):
        arguments = {
            "coordinator_address": coordinator,
            "num_processes": num_processes,
            "process_id": process_id,
        }
    try:
        jax.distributed.initialize(
            **arguments, heartbeat_timeout_seconds=heartbeat_seconds
        )
    except ValueError as error:  # nothing found in the environment
        line = " ".join(str(error).split())
        raise InputError(f"--coordinator={coordinator}: {line}") from error
    except RuntimeError as error:
        leave_for_restart(f"could not join the other processes: {error}")


def check_joined() -> None:
    """Refuses several processes that never met, which would each train alone.

    Raises:
        InputError: With the remedy.
    """
    if jax.process_count() > 1 and not jax.distributed.is_initialized():
        raise InputError(
            f"these devices belong to {jax.process_count()} processes: add "
            f"--coordinator={_AUTO}"
        )


def is_first() -> bool:
    """Whether this process writes files and prints."""
    return jax.process_index() == 0


def together(action: Callable[[], _T]) -> _T:
    """Does something on every process that must succeed on all or none.

    Args:
        action: Raises InputError for what is wrong; must not wait for other processes.

    Returns:
        What it returned here.

    Raises:
        InputError: On every process if any of them raised it, with the line of the
            first of them.
    """
    if jax.process_count() == 1:
        return action()
    result, failure = None, None
    try:
        result = action()
    except InputError as error:
        failure = error
    lines = [line for line in _lines("" if failure is None else str(failure)) if line]
    if lines:
        raise InputError(lines[0]) from failure
    return result  # pyright: ignore[reportReturnType]: set unless it raised


def first_alone(action: Callable[[], _T]) -> _T | None:
    """Does something on process 0 while the others wait; they return None.

    Raises:
        InputError: On every process if process 0 raised it.
    """
    return together(lambda: action() if is_first() else None)


def all_agree(is_true: bool) -> bool:
    """Whether something is true on every process."""
    return "no" not in _lines("yes" if is_true else "no")


def check_same(
    what: str, text: str, *, expected: str = "the same command on every host"
) -> None:
    """Checks that every process was given the same.

    Args:
        what: Name for the message.
        text: Compared byte by byte.
        expected: What makes it the same, for the message.

    Raises:
        InputError: On every process, if one differs.
    """
    digests = _lines(hashlib.sha256(text.encode()).hexdigest())
    for process, digest in enumerate(digests):
        if digest != digests[0]:
            raise InputError(
                f"the {what} of process {process} differs from that of process 0: "
                f"expected {expected}"
            )


def _lines(line: str) -> list[str]:
    """One line of each process, in their order."""
    if jax.process_count() == 1:
        return [line]
    data = np.frombuffer(
        line.encode()[:_LINE_BYTES].ljust(_LINE_BYTES, b"\0"), np.uint8
    )
    gathered = np.asarray(multihost_utils.process_allgather(data))
    return [
        row.tobytes().rstrip(b"\0").decode(errors="replace")
        for row in gathered.astype(np.uint8)
    ]


def _check_flags(
    coordinator: str,
    num_processes: int | None,
    process_id: int | None,
    heartbeat_seconds: int,
) -> None:
    if heartbeat_seconds < 1:
        raise InputError(f"--heartbeat_seconds={heartbeat_seconds}: expected 1 or more")
    numbers = {"num_processes": num_processes, "process_id": process_id}
    if coordinator in ("", _AUTO):
        for name, value in numbers.items():
            if value is not None:
                raise InputError(f"--{name}={value}: needs --coordinator=HOST:PORT")
        return
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(f"--coordinator={coordinator}: expected HOST:PORT or {_AUTO}")
    for name, value in numbers.items():
        if value is None:
            raise InputError(f"--coordinator={coordinator}: needs --{name} as well")
    if num_processes is not None and num_processes < 1:
        raise InputError(f"--num_processes={num_processes}: expected 1 or more")
    if process_id not in range(num_processes or 0):
        raise InputError(
            f"--process_id={process_id}: expected 0 <= id < {num_processes}"
        )


def _describes_several(environment: Mapping[str, str]) -> bool:
    """Whether a cluster says that it started several processes of this command."""
    if "," in environment.get("TPU_WORKER_HOSTNAMES", ""):
        return True
    if environment.get("MEGASCALE_COORDINATOR_ADDRESS"):
        return True
    counts = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
    return any(environment.get(name, "1") not in ("", "1") for name in counts)

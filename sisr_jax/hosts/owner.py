"""Who a process is, so that others can tell whether it is still there."""

import dataclasses
import datetime
import functools
import json
import os
import pathlib
import socket
import uuid

_PROC = pathlib.Path("/proc")
_TOKEN = uuid.uuid4().hex  # where the system does not say when a process began


@dataclasses.dataclass(frozen=True, kw_only=True)
class Owner:
    """A process, among all of all machines.

    Attributes:
        host: Name of its machine.
        place: Where pids count: a machine between two starts, or a container of it.
        pid: Number of the process.
        began: When the process began, in the system's own unit.
        started: The same for people.
    """

    host: str
    place: str
    pid: int
    began: str
    started: str

    def is_gone(self) -> bool | None:
        """Whether the process has ended; None if that cannot be seen from here."""
        me = this_process()
        if (self.host, self.place) != (me.host, me.place):
            return None
        return not self._runs()

    def _runs(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # it is another user's
            pass
        return not _PROC.exists() or _began(self.pid) == self.began


def this_process() -> Owner:
    """The process that asks."""
    return _process(os.getpid())


@functools.cache
def _process(pid: int) -> Owner:
    machine = _read(pathlib.Path("/etc/machine-id")) or f"{uuid.getnode():x}"
    boot = _read(_PROC / "sys" / "kernel" / "random" / "boot_id")
    pids = _PROC / "self" / "ns" / "pid"
    return Owner(
        host=socket.gethostname(),
        place=f"{machine} {boot} {os.readlink(pids) if pids.exists() else ''}".strip(),
        pid=pid,
        began=_began(pid) or _TOKEN,
        started=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    )


def parse_owner(text: bytes) -> Owner | None:
    """The owner that `dataclasses.asdict` and JSON made of one; None if it is none."""
    try:
        values = json.loads(text)
        found = {field.name: values[field.name] for field in dataclasses.fields(Owner)}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    pid = found.pop("pid")
    texts = [value for value in found.values() if isinstance(value, str)]
    is_owner = len(texts) == len(found) and all(map(_is_short, texts))
    if not is_owner or type(pid) is not int or not 0 < pid < 2**31:
        return None
    return Owner(pid=pid, **found)


def _is_short(text: str) -> bool:
    return text.isprintable() and len(text) < 200


def _began(pid: int) -> str:
    """Ticks between the start of the system and that of a process; empty if gone."""
    # The name of the program, in parentheses, may hold anything.
    fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""

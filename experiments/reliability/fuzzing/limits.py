"""Watches a process that tries cases: what it cannot say itself when it breaks."""

import contextlib
import json
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import NamedTuple

from experiments.reliability.processes import ROOT

SECONDS = 10.0  # for one case
_START_SECONDS = 300.0
# A process is replaced after so many, before what it keeps hides what a case takes.
_CASES = 1000


class Case(NamedTuple):
    """What became of one case.

    Attributes:
        number: Which.
        outcome: `accepted`, `alone` (accepted, but refused by the independent reader),
            `refused`, or a fault: `crash`, `hang`, `memory`, `traceback`, `silent`.
        remark: File and reason.
        megabytes: Peak above what the process had taken before.
    """

    number: int
    outcome: str
    remark: str
    megabytes: int


def watch(command, numbers, *, environment, log, seconds=SECONDS):
    """Runs cases in processes that may crash or hang, and yields what became of each.

    Args:
        command: From a first number and a stop to the arguments of a process that
            speaks as `worker` does.
        numbers: A range.
        environment: Of the processes.
        log: Open file that gets what the processes print.
        seconds: Until a case hangs.
    """
    first = numbers.start
    while first < numbers.stop:
        stop = min(first + _CASES, numbers.stop)
        process = subprocess.Popen(
            command(first, stop),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        try:
            for case in _listen(process, seconds):
                yield case
                first = case.number + 1
        except RuntimeError:
            log.seek(0)
            print(log.read().decode(errors="replace")[-2000:], file=sys.stderr)
            raise
        finally:
            process.kill()
            process.wait()


def _listen(process, seconds):
    lines = _lines_of(process)
    number, stage, values = None, "start", {}
    while True:
        limit = _START_SECONDS if stage in ("start", "compared") else seconds
        line = _answer(lines, process.pid, limit)
        if not line:
            break
        said = json.loads(line)
        number, stage = said["case"], said["stage"]
        values = said if stage == "begin" else values | said
        if stage == "compared":
            yield Case(number, values["outcome"], values["remark"], values["megabytes"])
    if line is None:
        yield _broken(stage, values, "hang", f"no answer after {limit:.0f} s")
        return
    code = process.wait()
    if stage != "compared" or code:
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        # Of an exception in here, not in the package, whose exceptions are told.
        stage = "start" if stage == "used" and code > 0 else stage
        yield _broken(stage, values, "crash", name)


def _answer(lines, pid, seconds):
    """The next line; None if it takes too long, but for waiting for a processor."""
    began, waited = time.monotonic(), _waited(pid)
    while True:
        left = seconds - (time.monotonic() - began) + _waited(pid) - waited
        if left <= 0:
            return None
        with contextlib.suppress(queue.Empty):
            return lines.get(timeout=left)


def _waited(pid):
    """Seconds for which threads of a process could have run, had there been a place."""
    total = 0
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # of a thread that has ended
            total += int(path.read_text().split()[1])
    return total / 1e9


def _broken(stage, values, outcome, remark):
    """What became of the case in which a process ended."""
    if stage in ("start", "compared"):
        raise RuntimeError(f"the process that tries cases failed itself: {remark}")
    if stage == "used":  # the independent reader ended it
        outcome, remark = "alone", f"other reader: {remark}"
        if values["outcome"] != "accepted":
            outcome, remark = values["outcome"], values["remark"]
    return Case(values["case"], outcome, remark, values.get("megabytes", 0))


def _lines_of(process):
    """Its lines as they come, and an empty one at the end."""
    lines = queue.Queue()

    def read():
        with process.stdout:
            for line in process.stdout:
                lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    return lines

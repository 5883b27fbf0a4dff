"""Tries damaged files one after the other, in a process that may break.

    python -m experiments.reliability.fuzzing.worker TARGET FOLDER SEED FIRST STOP

Writes JSON lines to standard output: when a case begins, when the package is done with
it, and when its answer has been compared. What the package does wrong is told by
`limits` if this process cannot tell it any more.
"""

import faulthandler
import json
import logging
import os
import re
import resource
import sys
import warnings
from pathlib import Path

from experiments.reliability.fuzzing.mutations import EVIL_MODULE
from experiments.reliability.fuzzing.targets import AloneError
from sisr_jax.errors import InputError

# Above what the process takes before a case: refused by the kernel, and reported.
ADDRESS_BYTES, MOST_MEGABYTES = 4 * 2**30, 1024
# What no file may make a reader do.
_ACTIONS = (
    *("os.system", "os.exec", "os.posix_spawn", "os.fork"),
    *("subprocess.Popen", "pickle.find_class"),
)
_LONGEST = 2000


def make_target(name, folder):
    """A target by its name; what it needs is only imported for it."""
    from experiments.reliability.fuzzing.file_target import FORMATS, FileTarget

    if name in FORMATS:
        return FileTarget(folder, name)
    if name == "dataset":
        from experiments.reliability.fuzzing.dataset_target import DatasetTarget

        return DatasetTarget(folder)
    if name == "run":
        from experiments.reliability.fuzzing.run_target import RunTarget

        return RunTarget(folder)
    if name == "weights":
        from experiments.reliability.fuzzing.weights_target import WeightsTarget

        return WeightsTarget(folder)
    from experiments.reliability.fuzzing.checkpoint_target import CheckpointTarget

    assert name == "checkpoint", name
    return CheckpointTarget(folder)


class Spy(logging.Handler):
    """Sees what is logged, and what code is run, while a file is read."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines, self.actions, self._is_looking = [], [], False
        logging.getLogger().addHandler(self)
        sys.addaudithook(self._hear)

    def close(self):
        """Looks no more; what hears of Python's actions cannot be removed."""
        self._is_looking = False
        logging.getLogger().removeHandler(self)

    def begin(self):
        self.lines, self.actions, self._is_looking = [], [], True

    def end(self):
        self._is_looking = False

    def emit(self, record):
        if "sisr_jax" in record.pathname:
            self.lines.append(record.getMessage())

    def _hear(self, event, arguments):
        if not self._is_looking:
            return
        if event in _ACTIONS or (event == "import" and EVIL_MODULE in str(arguments)):
            self.actions.append(f"{event} {str(arguments)[:100]}")


def use(target, path, spy):
    """Lets the package read a damaged file.

    Returns:
        `accepted`, `refused` or a fault; a remark; and the answer.
    """
    answer = None
    spy.begin()
    try:
        answer = target.use(path)
        outcome, remark = "accepted", ""
    except InputError as error:
        outcome, remark = _look_at(error, spy)
    except MemoryError as error:
        outcome, remark = "memory", repr(error)
    except Exception as error:
        outcome, remark = "traceback", repr(error)
    finally:
        spy.end()
    if foul := [line for line in spy.lines if not line.isprintable()]:
        outcome, remark = "traceback", f"logged {foul[0]!r}"
    if spy.actions:
        outcome, remark = "silent", f"ran {spy.actions[0]}"
    return outcome, remark, answer


def _look_at(error, spy):
    text, cause = str(error), error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return "memory", text
        cause = cause.__cause__ or cause.__context__
    if not text.isprintable() or len(text) > _LONGEST or "SECRET" in text:
        return "traceback", f"not a line: {text!r}"
    if getattr(error, "needs_warning", False) and not spy.lines:
        return "silent", "passed over without a warning"
    return "refused", text


def compare(target, path, answer):
    """`accepted`, `alone` (the other reader refuses) or `silent`, and a remark."""
    try:
        fault = target.fault(path, answer)
    except AloneError as error:
        return "alone", str(error)
    return ("silent", fault) if fault else ("accepted", "")


def megabytes(name):
    """Of this process alone; `getrusage` goes on from the peak of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{name}:\s*(\d+) kB", status)[1]) // 1024


def main(name, folder, seed, first, stop):
    # Whatever libraries print is no part of what is told.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    faulthandler.enable()
    warnings.simplefilter("ignore")

    def tell(number, stage, **values):
        print(
            json.dumps({"case": number, "stage": stage} | values),
            file=channel,
            flush=True,
        )

    folder = Path(folder)
    outside = folder / "modules"
    outside.mkdir()
    (outside / f"{EVIL_MODULE}.py").write_text("Evil = dict\n")
    sys.path.insert(0, str(outside))
    (folder / name).mkdir()
    target, spy = make_target(name, folder / name), Spy()
    warm_up(target, spy, seed)
    base = megabytes("VmRSS")
    limit = megabytes("VmSize") * 2**20 + ADDRESS_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for number in range(first, stop):
        path = target.damage(number, seed)
        tell(number, "begin")
        Path("/proc/self/clear_refs").write_text("5")  # the peak is that of the case
        outcome, remark, answer = use(target, path, spy)
        peak = megabytes("VmHWM") - base
        if peak > MOST_MEGABYTES:
            outcome, remark = "memory", f"{peak} MB"
        remark = f"{path.name}: {remark}"
        tell(number, "used", outcome=outcome, remark=remark, megabytes=peak)
        if outcome == "accepted":
            outcome, fault = compare(target, path, answer)
            remark = f"{path.name}: {fault}"
        extra = [each for each in target.restore() if each != path]
        if extra and target.is_read_only:
            outcome, remark = "silent", f"wrote {extra}"
        tell(number, "compared", outcome=outcome, remark=remark)


def warm_up(target, spy, seed):
    """Imports what readers import when they are first used."""
    for number in range(len(target.files)):
        path = target.damage(number, seed)
        target.restore()
        use(target, path, spy)
        target.restore()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))

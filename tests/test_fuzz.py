"""The fuzzing command: it sees every kind of fault, and finds none."""

import csv
import io
import subprocess
import sys
import tempfile

import processes
import pytest

from experiments.reliability.fuzzing import worker
from experiments.reliability.fuzzing.limits import watch
from experiments.reliability.fuzzing.targets import AloneError, Target
from sisr_jax.errors import InputError

# A process that tries cases: case 1 does something, the others are refused.
SCRIPT = """
import json, os, sys, time
def tell(number, stage, **values):
    print(json.dumps({"case": number, "stage": stage} | values), flush=True)
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    tell(number, "begin")
    if number == 1 and "%(stage)s" == "begin":
        %(action)s
    tell(number, "used", outcome="%(outcome)s", remark="a.png: ", megabytes=3)
    if number == 1 and "%(stage)s" == "used":
        %(action)s
    tell(number, "compared", outcome="refused", remark="a.png: ")
"""


@pytest.mark.parametrize(
    ("stage", "outcome", "action", "expected"),
    [
        ("begin", "refused", "os.abort()", ("crash", "SIGABRT")),
        ("begin", "refused", "sys.exit(3)", ("crash", "exit code 3")),
        ("begin", "refused", "time.sleep(60)", ("hang", "no answer after 1 s")),
        ("used", "accepted", "os.abort()", ("alone", "other reader: SIGABRT")),
        ("used", "traceback", "os.abort()", ("traceback", "a.png: ")),
    ],
)
def test_processes_that_break_are_seen_and_replaced(stage, outcome, action, expected):
    script = SCRIPT % {"stage": stage, "outcome": outcome, "action": action}
    with tempfile.TemporaryFile() as log:
        found = [
            *watch(
                lambda *numbers: [sys.executable, "-c", script, *map(str, numbers)],
                range(4),
                environment=None,
                log=log,
                seconds=1,
            )
        ]
    assert [case.number for case in found] == [0, 1, 2, 3]
    assert (found[1].outcome, found[1].remark) == expected
    assert {case.outcome for case in found[:1] + found[2:]} == {"refused"}


@pytest.mark.parametrize("stage", ["start", "used"])
def test_a_process_that_fails_by_itself_is_no_result(stage):
    script = "import sys; sys.exit(1)"
    if stage == "used":
        changes = {"stage": stage, "outcome": "accepted", "action": "sys.exit(1)"}
        script = SCRIPT % changes
    with tempfile.TemporaryFile() as log, pytest.raises(RuntimeError, match="itself"):
        list(
            watch(
                lambda *numbers: [sys.executable, "-c", script, *map(str, numbers)],
                range(4),
                environment=None,
                log=log,
            )
        )


class Raising(Target):
    """Reads a file by raising what it was made with."""

    def __init__(self, error):
        self._error = error

    def use(self, path):
        raise self._error

    def fault(self, path, answer):
        if answer is None:
            raise AloneError("no")
        return answer


def _out_of_memory():
    error = InputError("a.png: damaged")
    error.__context__ = MemoryError()
    return error


def _in_silence():
    error = InputError("the checkpoint before was used")
    error.needs_warning = True
    return error


@pytest.fixture
def spy():
    spy = worker.Spy()
    yield spy
    spy.close()


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (InputError("a.png: damaged"), "refused"),
        (InputError("a.png: damaged\nTraceback"), "traceback"),
        (InputError("a.png: \x1b[2J"), "traceback"),
        (InputError("a.png: patient SECRET"), "traceback"),
        (InputError("a" * 3000), "traceback"),
        (OSError("disk"), "traceback"),
        (ValueError("no"), "traceback"),
        (MemoryError(), "memory"),
        (_out_of_memory(), "memory"),
        (_in_silence(), "silent"),
    ],
)
def test_whatever_is_no_line_is_a_fault(spy, tmp_path, error, outcome):
    assert worker.use(Raising(error), tmp_path, spy)[0] == outcome


def test_code_that_a_file_has_run_is_a_fault(spy, tmp_path):
    class Running(Target):
        def __init__(self):
            pass

        def use(self, path):
            subprocess.run(["true"], check=True)

    outcome, remark, _ = worker.use(Running(), tmp_path, spy)
    assert (outcome, remark[:20]) == ("silent", "ran subprocess.Popen")


def test_answers_are_compared(tmp_path):
    target = Raising(None)
    assert worker.compare(target, tmp_path, "") == ("accepted", "")
    assert worker.compare(target, tmp_path, "wrong") == ("silent", "wrong")
    assert worker.compare(target, tmp_path, None) == ("alone", "no")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_short_form_finds_nothing(tmp_path):
    table = tmp_path / "fuzz.csv"
    targets = ("dicom", "dataset", "run", "checkpoint", "weights")
    found = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.reliability.fuzz", "--seed", "1"),
            *("--cases", "40", "--csv", str(table), "--targets", *targets),
        ],
        cwd=processes.ROOT,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "200 cases, 0 faults" in found.stdout
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["target"] for row in rows] == [*targets]
    for row in rows:
        assert int(row["accepted"]) + int(row["refused"]) == 40
        assert int(row["refused"]) > 0

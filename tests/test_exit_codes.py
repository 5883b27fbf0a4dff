"""Exit codes are those of the table in the description of `sisr_jax.main`."""

import pathlib
import re
import signal
import subprocess
import sys

import processes
import pytest

from sisr_jax import main as command
from sisr_jax.errors import ExitCode, InputError, StorageError
from sisr_jax.hosts import leaving

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = "--config=configs/us_srgan.py:quicktest"
TABLE = {
    int(code): meaning
    for code, meaning in re.findall(r"^ +(\d+)  (\S.*)$", command.__doc__, re.M)
}

# What happens in a run, the code it ends with, and its last line.
ENDINGS = {
    "nothing": (None, ExitCode.DONE, ""),
    "not finite": (FloatingPointError("step 3: nan"), ExitCode.DIVERGED, "step 3: nan"),
    "bad file": (InputError("a.png: cut off"), ExitCode.BAD_INPUT, "a.png: cut off"),
    "a mistake": (KeyError("x"), ExitCode.MISTAKE, "KeyError: 'x'"),
    "disk full": (StorageError("a: No space"), ExitCode.STORAGE, "a: No space"),
    "disk error": (OSError(5, "Input/output error"), ExitCode.STORAGE, "Input/output"),
    "Ctrl-C": (KeyboardInterrupt(), ExitCode.INTERRUPTED, "sisr_jax: interrupted"),
    "preempted": (leaving.Preempted("step 3: saved"), ExitCode.RESTART, "saved"),
}

# A name that no file can have.
LONG = "n" * 300

# Command lines that are refused, and the line that says so.
REFUSED = [
    (["--config.seed=abc"], "config.seed = 'abc': expected int"),
    (["--config=configs/us_srgan.py:quick"], "config variant 'quick': expected one of"),
    (["--config=configs/nowhere.py"], "nowhere.py"),
    (["--config=README.md"], "config 'README.md': expected FILE.py or one of"),
    (
        ["--config.data.nothing=3"],
        "config.data.nothing: unknown key; known: batch_size",
    ),
    (["--config.data.sorce=x"], "config.data.sorce: unknown key; known: "),
    (["--config.phases.adversarial=-1"], "config.phases.adversarial = -1"),
    (["--nothing"], "Unknown command line flag 'nothing'"),
    (["--mode=think"], "flag --mode=think: value should be one of <train|evaluate>"),
    (["--num_processes=x"], "flag --num_processes=x"),
    (["one"], "unexpected argument 'one': all are --flags"),
    (["--workdir="], "--workdir = '': expected a folder"),
    ([f"--config={'n' * 300}.py"], "nnn.py': no such file"),
    (["--config.data.source=folder", f"--config.data.path={LONG}"], ": no such folder"),
    (
        [
            "--config.data.source=folder",
            "--config.data.path=configs",
            f"--config.data.splits_csv={LONG}",
        ],
        ": no such file",
    ),
    (["--config.data.source=tfds", f"--config.data.path={LONG}"], "no dataset_info"),
    ([f"--workdir={LONG}"], "File name too long"),
    (
        ["--extend=1000000000000"],
        "config.phases.adversarial = 999999999995: expected 0",
    ),
    (["--config.data.num_phantoms=(1000000000,3,3)"], "expected 1 to 1,000,000"),
    (["--workdir=s3://bucket/x"], "expected a local folder or gs://"),
]


def test_the_table_has_every_code():
    assert TABLE.keys() == {int(code) for code in ExitCode}


class Left(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("code", TABLE)
def test_each_code_of_the_table_is_given(code, monkeypatch, capsys, tmp_path):
    def end(code):
        raise Left(code)

    def train(run):
        if error is not None:
            raise error

    monkeypatch.setattr(leaving.os, "_exit", end)
    monkeypatch.setattr(leaving.sys, "exit", end)
    endings = [ending for ending in ENDINGS.values() if ending[1] == code]
    assert endings, "no run of this test ends with it"
    for error, _, line in endings:
        monkeypatch.setattr(
            command, "_read_flags", lambda changes: (tmp_path,) + 2 * (None,)
        )
        monkeypatch.setattr(command, "_MODE", _Flag("train"))
        monkeypatch.setattr(command, "_SPLIT", _Flag("test"))
        monkeypatch.setattr(command, "prepare", lambda config, workdir: None)
        monkeypatch.setattr(command, "train", train)
        monkeypatch.setattr(command, "report", lambda *_, **__: "table")
        found = ExitCode.DONE
        try:
            command.main(["main"])
        except Left as left:
            (found,) = left.args
        assert found == code
        out, errors = capsys.readouterr()
        assert out == ("" if error else "table\n")
        assert line in (errors.splitlines() or [""])[-1]
        assert ("Traceback" in errors) == (code == ExitCode.MISTAKE)


class _Flag:
    def __init__(self, value):
        self.value, self.present = value, False


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """Exit codes and errors of the command lines in `REFUSED`, then of some more."""
    workdir = f"--workdir={tmp_path_factory.mktemp('refused') / 'run'}"
    lines = [[CONFIG, workdir, *arguments] for arguments, _ in REFUSED]
    lines += [[CONFIG], [workdir], ["--mode=evaluate", workdir], ["--help"]]
    yield processes.endings(lines)
    assert not pathlib.Path(workdir.removeprefix("--workdir=")).exists()


def _check_refusal(found, message):
    code, errors = found
    assert code == ExitCode.BAD_INPUT, errors
    (line,) = errors
    assert line.startswith("sisr_jax: error: ")
    assert message in line


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_a_bad_command_line_is_one_line(refusals, number):
    _check_refusal(refusals[number], REFUSED[number][1])


def test_what_is_missing_is_one_line(refusals):
    no_workdir, no_config, no_run, _ = refusals[len(REFUSED) :]
    _check_refusal(no_workdir, "flag --workdir=None: Flag --workdir must have a value")
    _check_refusal(no_config, "--config is required to train")
    _check_refusal(no_run, "reading config.json failed: No such file or directory")


def test_help_is_no_failure(refusals):
    assert refusals[-1][0] == ExitCode.DONE


@pytest.mark.parametrize("platforms", ["cuda", "nothing"])
def test_devices_that_are_not_there_are_one_line(tmp_path, platforms):
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "sisr_jax.main",
            CONFIG,
            f"--workdir={tmp_path / 'run'}",
        ],
        cwd=ROOT,
        env=leaving.os.environ | {"JAX_PLATFORMS": platforms},
        capture_output=True,
        text=True,
    )
    errors = processes.error_lines(found.stderr)
    _check_refusal((found.returncode, errors), f"JAX_PLATFORMS={platforms}: no")


@pytest.mark.parametrize(
    ("command", "imported"),
    [
        ("sisr_jax.main", "jax"),
        ("sisr_jax.enhance", "jax"),
        ("sisr_jax.data", "numpy"),
        ("sisr_jax.config", "ml_collections"),
        ("sisr_jax.aot", "jax"),
        ("sisr_jax", "jax"),
    ],
)
def test_an_interrupt_while_a_command_is_imported_is_no_traceback(
    tmp_path, command, imported
):
    """A module that is looked up first of all sends it at a known moment."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        # Jobs in the background inherit that it is ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {imported!r} and 'sisr_jax' in sys.modules:\n"
        "            os.kill(os.getpid(), 2)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
    )
    found = subprocess.run(
        [sys.executable, "-m", command, "main", "--help"],
        cwd=ROOT,
        env=leaving.os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stderr) == (-signal.SIGINT, "")

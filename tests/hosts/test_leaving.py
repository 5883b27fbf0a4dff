"""Which errors are the loss of another process, and what a process then does."""

import signal
import subprocess
import sys

import jax
import processes
import pytest
from etils import epath

from sisr_jax.errors import InputError, StorageError
from sisr_jax.hosts import leaving

GLOO = "UNKNOWN: Gloo all-reduce failed: Connection closed by peer [127.0.0.1]:1"


class Left(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def several(monkeypatch):
    monkeypatch.setattr(jax.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(leaving.os, "_exit", _leave)


def _leave(code):
    raise Left(code)


@pytest.mark.parametrize(
    ("error", "is_loss"),
    [
        (ValueError(GLOO), True),
        (jax.errors.JaxRuntimeError("UNAVAILABLE: worker 3 is gone"), True),
        (jax.errors.JaxRuntimeError("DEADLINE_EXCEEDED: Barrier timed out"), True),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory"), False),
        (jax.errors.JaxRuntimeError("INTERNAL: a bug; UNAVAILABLE"), False),
        (ValueError("UNAVAILABLE: of a storage library"), False),
        (StorageError("checkpoints: saving failed"), False),
        (TypeError("a bug"), False),
    ],
)
def test_what_is_the_loss_of_another_process(several, error, is_loss):
    assert leaving.is_loss(error) == is_loss


def test_a_single_process_loses_nobody():
    with pytest.raises(ValueError, match="Gloo"), leaving.ending_with_the_others():
        raise ValueError(GLOO)


def test_a_loss_ends_with_one_line_and_the_code_for_a_restart(several, capsys):
    with pytest.raises(Left) as left, leaving.ending_with_the_others():
        raise ValueError(GLOO + "\nmore")
    assert left.value.args == (75,)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sisr_jax: another process of the run is lost: {GLOO}")


def test_other_errors_pass(several):
    with pytest.raises(TypeError), leaving.ending_with_the_others():
        raise TypeError("a bug")


def test_an_input_error_of_one_is_the_last_line_of_all(several, capsys, tmp_path):
    workdir = epath.Path(tmp_path)
    with pytest.raises(InputError), leaving.telling_the_others(workdir):
        raise InputError("a.png: truncated")
    with pytest.raises(Left) as left, leaving.telling_the_others(workdir):
        raise ValueError(GLOO)
    assert left.value.args == (2,)
    assert capsys.readouterr().err == "sisr_jax: error: a.png: truncated\n"
    leaving.forget_failures(workdir)
    leaving.forget_failures(workdir)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="Gloo"), leaving.telling_the_others(workdir):
        raise ValueError(GLOO)


def test_a_single_process_leaves_no_file(tmp_path):
    with (
        pytest.raises(InputError),
        leaving.telling_the_others(epath.Path(tmp_path)),
    ):
        raise InputError("a.png: truncated")
    assert not list(tmp_path.iterdir())


# Long in C, as a compilation is: handlers of Python do not run meanwhile.
BUSY = """
import hashlib
from sisr_jax.hosts.leaving import Preemption
with Preemption():
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""


def test_a_second_interrupt_ends_a_busy_process_at_once():
    with subprocess.Popen(
        [sys.executable, "-c", BUSY],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=processes.ROOT,
        env=processes.environment(1),
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            line = process.stderr.readline()
            assert line.startswith("sisr_jax: leaving once this step is saved; Ctrl-C")
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    assert errors == "sisr_jax: interrupted twice: left at once\n"


def test_signals_are_given_back():
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    with leaving.Preemption() as preemption:
        assert not preemption.reached(0)
        signal.raise_signal(signal.SIGTERM)
        assert preemption.reached(1)
    assert [signal.getsignal(number) for number in numbers] == before

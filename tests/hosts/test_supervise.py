"""What is restarted, how often, and that nothing is left behind."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from sisr_jax.hosts import supervision

ROOT = pathlib.Path(__file__).parents[2]
QUICK = ("--first_seconds=0.01", "--longest_seconds=0.02")
LONG = ("--first_seconds=60", "--longest_seconds=60")


def _start(script, *flags):
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "sisr_jax.supervise", *QUICK, *flags, "--"),
            *(sys.executable, "-c", script),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def _running(script, *flags):
    process = _start(script, *flags)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _run(script, *flags):
    process = _start(script, *flags)
    out, errors = process.communicate(timeout=60)
    return process.returncode, out.split(), errors


def _script(body):
    return f"import os, signal, sys, time\nprint('run', flush=True)\n{body}"


@pytest.mark.parametrize(
    ("body", "code", "runs"),
    [
        ("", 0, 1),
        ("sys.exit(2)", 2, 1),
        ("sys.exit(1)", 1, 1),
        ("os.kill(os.getpid(), signal.SIGINT)", 130, 1),
        ("sys.exit(75)", 75, 3),
        ("sys.exit(134)", 134, 3),  # a shell between says a signal in this way
        ("os.abort()", 134, 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, 3),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143, 3),
    ],
)
def test_what_asks_for_a_restart(body, code, runs):
    found, out, errors = _run(_script(body), "--max_restarts=2")
    assert (found, len(out)) == (code, runs), errors
    assert ("giving up after 2 restarts in vain" in errors) == (runs == 3)


def test_a_run_that_gets_further_may_restart_again(tmp_path):
    # Each run resumes one step further; the fifth is done.
    script = _script(
        f"""
path = {str(tmp_path / "step")!r}
step = int(open(path).read()) if os.path.exists(path) else 0
open(path, "w").write(str(step + 1))
open(os.environ["SISR_JAX_PROGRESS_FILE"], "w").write(str(step))
sys.exit(0 if step == 4 else 75)
"""
    )
    code, out, errors = _run(script, "--max_restarts=1")
    assert (code, len(out)) == (0, 5), errors


def test_waiting_grows_to_a_bound_and_varies():
    limits = supervision.Limits(
        9, first_seconds=1, longest_seconds=6, stopped_seconds=1
    )
    for in_vain, bound in (1, 1), (2, 2), (3, 4), (4, 6), (5, 6):
        waits = {supervision._waiting_time(limits, in_vain) for _ in range(50)}
        assert bound / 2 <= min(waits) < max(waits) <= bound
        assert len(waits) > 40


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_becomes_sigterm_and_the_code_is_returned(number):
    script = _script(
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n"
        "print('ready', flush=True)\ntime.sleep(60)"
    )
    with _running(script) as process:
        while process.stdout.readline() != "ready\n":
            pass
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == 75


def test_sigterm_ends_the_waiting_too():
    with _running(_script("sys.exit(75)"), *LONG) as process:
        assert "restart 1 of 10 without progress" in process.stderr.readline()
        process.terminate()
        process.communicate(timeout=20)
        assert process.returncode == 75


def test_a_stopped_command_is_killed_and_restarted():
    script = _script("os.kill(os.getpid(), signal.SIGSTOP)")
    found, out, errors = _run(script, "--max_restarts=1", "--stopped_seconds=0.3")
    assert (found, len(out)) == (137, 2)
    assert "stopped for 0 s: killed" in errors


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a Linux facility")
def test_the_command_dies_with_its_supervisor():
    script = _script("print(os.getpid(), flush=True)\ntime.sleep(60)")
    with _running(script) as process:
        assert process.stdout.readline() == "run\n"
        pid = int(process.stdout.readline())
        process.kill()
        process.wait()
        deadline = time.monotonic() + 10
        while _is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not _is_alive(pid)


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that nobody has waited for yet is dead as well.
    return (
        pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: command"),
        (["--first_seconds=-1", "--", "true"], "-1: expected 0 or more"),
        (["--", "/no/such/command"], "error: /no/such/command: No such file"),
    ],
)
def test_bad_command_lines(arguments, message):
    found = subprocess.run(
        [sys.executable, "-m", "sisr_jax.supervise", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert found.returncode in (2, 127)
    assert message in found.stderr.splitlines()[-1]


def test_progress_without_a_supervisor_goes_nowhere(monkeypatch, tmp_path):
    monkeypatch.delenv("SISR_JAX_PROGRESS_FILE", raising=False)
    supervision.note_progress(5)
    monkeypatch.setenv("SISR_JAX_PROGRESS_FILE", str(tmp_path / "file"))
    supervision.note_progress(7)
    assert (tmp_path / "file").read_text() == "7"

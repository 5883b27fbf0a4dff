"""What messages take over from the errors of libraries, and how commands end."""

import os
import pathlib
import subprocess
import sys

import pytest

from sisr_jax.errors import one_line


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (ValueError("no such thing"), "no such thing"),
        (ValueError("first\n  second\t third "), "first second third"),
        (ValueError("a\x1b[2Jb\u202ec\udc80"), "a?[2Jb?c?"),
        (ValueError(), "ValueError"),
        (ValueError("\n"), "ValueError"),
        ("text", "text"),
        (ValueError("x" * 4000), "x" * 200 + " ..."),
    ],
)
def test_one_line(cause, expected):
    assert one_line(cause) == expected


# Prints as a command does, to a stream that fails.
COMMAND = """
import sys
from sisr_jax.errors import ending
def run():
    print("a line", file=getattr(sys, sys.argv[2]), flush=sys.argv[3] == "at once")
    return int(sys.argv[1])
sys.exit(ending("sisr_jax.command", run))
"""


def end(tmp_path, code, stream, when, *, full=False, unbuffered=False):
    """Exit code, and what the other stream got."""
    if full:
        nowhere = os.open("/dev/full", os.O_WRONLY)
    else:
        read, nowhere = os.pipe()
        os.close(read)
    other = "stderr" if stream == "stdout" else "stdout"
    with (tmp_path / "other").open("wb") as file:
        command = [sys.executable, "-c", COMMAND, str(code), stream, when]
        streams = {stream: nowhere, other: file}
        buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        env = buffered | ({"PYTHONUNBUFFERED": "1"} if unbuffered else {})
        ended = subprocess.run(command, check=False, env=env, **streams)
    os.close(nowhere)
    return ended.returncode, (tmp_path / "other").read_text()


@pytest.mark.parametrize("code", [0, 1])
def test_a_command_whose_output_nobody_reads_ends_as_it_would(tmp_path, code):
    assert end(tmp_path, code, "stdout", "later") == (code, "")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_command_that_nobody_listens_to_has_no_traceback(tmp_path, stream):
    assert end(tmp_path, 0, stream, "at once") == (74, "")


needs_full = pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="needs /dev/full"
)
REFUSED = """
import sys
from sisr_jax.errors import InputError, ending
def run():
    raise InputError("a file")
sys.exit(ending("sisr_jax.command", run))
"""
NAME = "sisr_jax.command"
FULL = f"{NAME}: error: standard output: No space left on device\n"


@needs_full
@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("when", ["later", "at once"])
def test_output_to_a_full_disk_is_one_line(tmp_path, when, unbuffered):
    found = end(tmp_path, 0, "stdout", when, full=True, unbuffered=unbuffered)
    assert found == (74, FULL)


@needs_full
@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_log_on_a_full_disk_keeps_the_exit_code(tmp_path, unbuffered):
    found = end(tmp_path, 0, "stderr", "later", full=True, unbuffered=unbuffered)
    assert found == (74, "")
    with open("/dev/full", "w") as nowhere:
        ended = subprocess.run(
            [sys.executable, "-c", REFUSED], check=False, stderr=nowhere
        )
    assert ended.returncode == 2


@needs_full
@pytest.mark.parametrize(
    "command", [["config", "--config=ct_srresnet:quicktest"], ["data", "inspect"]]
)
def test_a_description_on_a_full_disk_is_one_line(tmp_path, command):
    folder = [str(tmp_path)] if command[0] == "data" else []
    with open("/dev/full", "w") as nowhere:
        ended = subprocess.run(
            [sys.executable, "-m", f"sisr_jax.{command[0]}", *command[1:], *folder],
            check=False,
            stdout=nowhere,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ended.returncode == 74
    assert ended.stderr.endswith("error: standard output: No space left on device\n")
    assert ended.stderr.count("\n") == 1


# One of each kind of parser that the commands have.
@needs_full
@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("command", ["", ".config", ".supervise"])
def test_help_is_of_use_however_far_it_is_read(command, unbuffered):
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    env = buffered | ({"PYTHONUNBUFFERED": "1"} if unbuffered else {})
    read, unread = os.pipe()
    os.close(read)
    full = os.open("/dev/full", os.O_WRONLY)
    line = f"sisr_jax{command.replace('.config', '')}{FULL.removeprefix(NAME)}"
    for nowhere, expected in ((unread, (0, "")), (full, (74, line))):
        ended = subprocess.run(
            [sys.executable, "-m", f"sisr_jax{command}", "--help"],
            check=False,
            env=env,
            stdout=nowhere,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(nowhere)
        assert (ended.returncode, ended.stderr) == expected


def test_no_command_has_a_parser_of_another_kind():
    package = pathlib.Path(__file__).parents[1] / "sisr_jax"
    own = [p.name for p in package.rglob("*.py") if "=argparse.Arg" in _dense(p)]
    assert own == []


def _dense(path):
    return "".join(path.read_text().split())


@pytest.mark.parametrize(
    "command", [["config", "--config=ct_srresnet:quicktest"], ["data", "inspect"]]
)
def test_a_description_that_nobody_reads_has_no_traceback(tmp_path, command):
    read, nowhere = os.pipe()
    os.close(read)
    folder = [str(tmp_path)] if command[0] == "data" else []
    ended = subprocess.run(
        [sys.executable, "-m", f"sisr_jax.{command[0]}", *command[1:], *folder],
        check=False,
        stdout=nowhere,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    os.close(nowhere)
    assert (ended.returncode, ended.stderr) == (74, "")

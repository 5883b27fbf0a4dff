"""One process at a time has a folder; who is gone does not keep it."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time

import processes
import pytest

from sisr_jax.errors import InputError, StorageError
from sisr_jax.hosts import lock
from sisr_jax.hosts.lock import Lock
from sisr_jax.hosts.owner import parse_owner, this_process
from sisr_jax.storage.files import names_in, write_whole

HOLDING = """
import sys
from etils import epath
from sisr_jax.hosts.lock import Lock
from sisr_jax.storage.folder import open_folder
with Lock(open_folder(sys.argv[1], "folder")):
    print("held", flush=True)
    sys.stdin.readline()
"""
ELSEWHERE = dataclasses.replace(this_process(), host="elsewhere", pid=7)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(lock, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(lock, "_LOOK_SECONDS", 0.02)


@pytest.fixture(autouse=True)
def _made(folder):
    if not str(folder).startswith("gs://"):
        folder.mkdir()


def _holder(folder):
    return parse_owner((folder / "lock.json").read_bytes())


def _write(folder, holder, beats=0):
    values = dataclasses.asdict(holder) | {"beats": beats}
    write_whole(folder / "lock.json", json.dumps(values))


def _start(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=processes.ROOT,
        env=processes.environment(1),
    )
    assert process.stdout.readline() == "held\n", process.communicate()
    return process


def test_it_names_its_holder_moves_and_goes(folder):
    with Lock(folder) as held:
        first = (folder / "lock.json").read_bytes()
        assert _holder(folder) == this_process()
        assert this_process().pid == os.getpid()
        held.acquire()
        _wait_until(lambda: (folder / "lock.json").read_bytes() != first)
    assert names_in(folder) == []
    with held:
        assert names_in(folder) == ["lock.json"]
    assert names_in(folder) == []


def test_a_second_process_is_refused_at_once_until_the_first_is_gone(folder):
    process = _start(folder)
    with process:
        try:
            message = rf"workdir \S+ is in use by process {process.pid} on \S+, which"
            with pytest.raises(InputError, match=message) as refused:
                Lock(folder).acquire()
            assert "\n" not in str(refused.value)
            assert _holder(folder).pid == process.pid
            process.send_signal(signal.SIGSTOP)  # it hangs, but is there
            with pytest.raises(InputError, match="in use by"):
                Lock(folder).acquire()
        finally:
            process.kill()
            process.communicate()
    assert names_in(folder) == ["lock.json"]
    began = time.monotonic()
    Lock(folder).acquire()
    assert time.monotonic() - began < 0.5  # not watched
    assert _holder(folder) == this_process()


def test_a_process_that_ends_well_gives_it_back(folder):
    with _start(folder) as process:
        process.communicate("\n")
    assert process.returncode == 0
    assert names_in(folder) == []


def test_another_process_with_the_same_number_is_not_the_holder(folder):
    before = dataclasses.replace(this_process(), began="1")
    assert before.is_gone()
    _write(folder, before)
    Lock(folder).acquire()
    assert _holder(folder) == this_process()


def test_a_holder_elsewhere_that_moves_refuses(folder, monkeypatch):
    monkeypatch.setattr(lock, "SILENT_SECONDS", 60.0)
    assert ELSEWHERE.is_gone() is None
    _write(folder, ELSEWHERE)
    done = threading.Event()

    def beat():
        beats = 0
        while not done.wait(0.02):
            beats += 1
            _write(folder, ELSEWHERE, beats)

    beating = threading.Thread(target=beat)
    beating.start()
    try:
        with pytest.raises(InputError, match="in use by process 7 on elsewhere"):
            Lock(folder).acquire()
    finally:
        done.set()
        beating.join()


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"[" * 9999, b"\xff"])
def test_a_holder_that_does_not_move_is_gone(folder, content, caplog):
    if content is None:
        _write(folder, ELSEWHERE)
    else:
        write_whole(folder / "lock.json", content)
    began = time.monotonic()
    Lock(folder).acquire()
    assert time.monotonic() - began >= 0.5
    assert "watching for" in caplog.text
    assert _holder(folder) == this_process()


@pytest.mark.parametrize("is_held", [False, True])
def test_of_many_at_once_one_gets_it(folder, monkeypatch, is_held):
    if is_held:  # by a process that is gone
        _write(folder, dataclasses.replace(this_process(), began="1"))
    mine, start, outcomes = threading.local(), threading.Barrier(6), []
    monkeypatch.setattr(lock, "this_process", lambda: mine.owner)

    def acquire(number):
        mine.owner = dataclasses.replace(this_process(), started=str(number))
        start.wait()
        try:
            Lock(folder).acquire()
            outcomes.append("has it")
        except InputError:
            outcomes.append("is refused")

    threads = [threading.Thread(target=acquire, args=[i]) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["has it", *["is refused"] * 5]


def test_a_holder_that_was_taken_for_gone_ends(folder, monkeypatch):
    left = threading.Event()
    lines = []

    def leave(line, code):
        lines.append((line, code))
        left.set()

    monkeypatch.setattr(lock, "leave_at_once", leave)
    with Lock(folder):
        _write(folder, ELSEWHERE)
        assert left.wait(20)
    ((line, code),) = lines
    assert code == 2
    assert "taken over by process 7 on elsewhere" in line
    assert _holder(folder) == ELSEWHERE


def test_a_lock_that_was_removed_comes_back(folder):
    with Lock(folder):
        (folder / "lock.json").unlink()
        _wait_until(lambda: "lock.json" in names_in(folder))
        assert _holder(folder) == this_process()


def test_a_storage_that_is_away_is_not_waited_for(folder):
    with pytest.raises(StorageError), Lock(folder):
        raise StorageError("metrics.jsonl: writing failed")
    assert names_in(folder) == ["lock.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"pid": "7"},
        {"pid": 0},
        {"pid": -1},
        {"pid": 10**30},
        {"pid": True},
        {"host": 5},
        {"host": "two\nlines"},
        {"started": "x" * 200},
    ],
)
def test_a_file_that_names_nobody(change):
    values = dataclasses.asdict(ELSEWHERE)
    assert parse_owner(json.dumps(values).encode()) == ELSEWHERE
    assert parse_owner(json.dumps(values | change).encode()) is None
    del values["host"]
    assert parse_owner(json.dumps(values).encode()) is None


def _wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)

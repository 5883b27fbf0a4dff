"""Starts the processes of a run on this machine, as the hosts of a cluster would."""

import json
import os
import pathlib
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]


def environment(num_devices, cache=None):
    """Of one process: its devices, and where it keeps what it compiles."""
    changes = {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(num_devices),
        "PYTHONPATH": str(ROOT),
    }
    if cache is not None:
        changes["JAX_COMPILATION_CACHE_DIR"] = str(cache)
        changes["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    return os.environ | changes


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(commands, num_devices, cache=None):
    """One process for each command, with its output kept."""
    return [
        subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment(num_devices, cache),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]


def finish(processes, timeout=300):
    """Exit code, output and errors of each, killing what does not end in time."""
    try:
        outputs = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return [
        (process.returncode, *output)
        for process, output in zip(processes, outputs, strict=True)
    ]


def main_commands(num_processes, *arguments, heartbeat_seconds=10):
    """The same training command for each process of a run."""
    port = free_port()
    return [
        [
            "-m",
            "sisr_jax.main",
            *arguments,
            f"--coordinator=127.0.0.1:{port}",
            f"--num_processes={num_processes}",
            f"--process_id={process}",
            f"--heartbeat_seconds={heartbeat_seconds}",
        ]
        for process in range(num_processes)
    ]


def error_lines(errors):
    """Without those of libraries, which may warn of their own versions."""
    return [line for line in errors.splitlines() if "WARNING" not in line]


def endings(command_lines):
    """Exit code and error lines of each command line of `sisr_jax.main`."""
    found = subprocess.run(
        [sys.executable, ROOT / "tests" / "command_lines.py"],
        input=json.dumps(command_lines),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert found.returncode == 0, found.stderr
    return [(code, error_lines(errors)) for code, errors in json.loads(found.stdout)]

"""How the driver talks to a worker, and what all workers share.

A worker is started as `WORKER NAME WORK IMAGE`, with `infer` or `train` as the work. It
writes one line of JSON with its facts, then answers each line on standard input with
one call: seconds, processor seconds, loss, megabytes.
"""

import json
import os
import pathlib
import sys
import time
from collections.abc import Callable

import numpy as np

SIZE = 512
NUM_VIEWS, EVERY = 1000, 16
# As `kind = "unrolled"` has them by default.
NUM_ITERATIONS, WIDTH, MEMORY = 6, 32, 5
LEARNING_RATE = 1e-3


def radians() -> np.ndarray:
    """Angles of the measured views, float64 `[63]`."""
    return np.linspace(0, np.pi, NUM_VIEWS, endpoint=False)[::EVERY]


def adjoint_error(
    project: Callable[[np.ndarray], np.ndarray],
    back_project: Callable[[np.ndarray], np.ndarray],
) -> float:
    """`|<A x, y> - <x, A' y>| / (|A x| |y|)` for normal noise, the worst of three."""
    errors = []
    for seed in range(3):
        random = np.random.default_rng(seed)
        x = random.normal(size=(SIZE, SIZE)).astype(np.float32)
        there = np.float64(project(x))
        y = random.normal(size=there.shape).astype(np.float32)
        difference = np.vdot(there, y) - np.vdot(x, np.float64(back_project(y)))
        errors.append(abs(difference) / np.linalg.norm(there) / np.linalg.norm(y))
    return float(max(errors))


def megabytes(field: str) -> float:
    """A line of this process's status: `VmRSS` is its size, `VmHWM` the largest."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def serve(call: Callable[[], float], **facts: object) -> None:
    """Makes one call, which returns its loss, for each line until the input ends."""
    # What libraries print goes to the error stream, not between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    answers.write(json.dumps(facts) + "\n")
    process = megabytes("VmHWM")
    for _ in sys.stdin:
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # forget the peak
        start, processor = time.perf_counter(), time.process_time()
        loss = call()
        seconds, spent = time.perf_counter() - start, time.process_time() - processor
        peak = megabytes("VmHWM")
        process = max(process, peak)
        answer = {
            "seconds": round(seconds, 4),
            "cpu_seconds": round(spent, 4),
            "loss": float(f"{loss:.5g}"),
            "call_megabytes": round(peak),
            "process_megabytes": round(process),
        }
        answers.write(json.dumps(answer) + "\n")

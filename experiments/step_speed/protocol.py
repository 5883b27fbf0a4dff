"""How the benchmark talks to a worker, and the images that all workers train on.

A worker writes `ready`, then answers each line on standard input with one step:
`seconds loss peak_megabytes`.
"""

import resource
import sys
import time
from collections.abc import Callable

import numpy as np


def images(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A degraded and a high-resolution image, `[1, size, size, 1]`, float32."""
    random = np.random.default_rng(0)
    hr = random.uniform(0, 1, (1, size, size, 1)).astype(np.float32)
    degraded = (hr + np.roll(hr, 1, 1) + np.roll(hr, 1, 2)) / 3
    return degraded, hr


def serve(step: Callable[[], float]) -> None:
    """Runs one step, which returns its loss, for each line until the input ends."""
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        loss = step()
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{seconds:.4f} {loss:.6g} {peak:.0f}", flush=True)

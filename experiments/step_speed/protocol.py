"""How the benchmark talks to a worker, and what all workers train.

A worker writes `ready`, then answers each line on standard input with one step:
`seconds loss peak_megabytes`.
"""

import resource
import sys
import time
from collections.abc import Callable

import numpy as np

# The CT generator on a slice; a stage of the cascade on crops, with its four other
# estimates.
NETWORKS = "generator", "stage"
STAGE_WIDTHS = 32, 64, 128
_CROPS, _ESTIMATES = 4, 5


def images(network: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """What a network sees, and what it is to restore, float32.

    `[1, size, size, 1]` both, or for a stage `[4, size, size, 5]` and
    `[4, size, size, 1]`.
    """
    batch, channels = (_CROPS, _ESTIMATES) if network == "stage" else (1, 1)
    random = np.random.default_rng(0)
    hr = random.uniform(0, 1, (batch, size, size, 1)).astype(np.float32)
    shifts = range(1, channels + 1)
    estimates = [(hr + np.roll(hr, n, 1) + np.roll(hr, n, 2)) / 3 for n in shifts]
    return np.concatenate(estimates, -1), hr


def serve(step: Callable[[], float]) -> None:
    """Runs one step, which returns its loss, for each line until the input ends."""
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        loss = step()
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{seconds:.4f} {loss:.6g} {peak:.0f}", flush=True)

"""What the trainings of the experiments run in."""

import os
import pathlib

ROOT = pathlib.Path(__file__).parents[2]


def environment(cache):
    """Of a training that spends no time on optimising programs."""
    return os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }

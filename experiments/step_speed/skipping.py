"""What it costs to skip steps that are not finite: the same steps without it.

    python -m experiments.step_speed.skipping

Two compiled versions of a step take turns; writes `skipping.csv`, in seconds of
processor time, which other work on the machine disturbs least.
"""

import argparse
import csv
import functools
import importlib
import pathlib
import statistics
import time

import jax
import numpy as np

from sisr_jax.config import parse
from sisr_jax.train.steps import STEPS
from sisr_jax.train.task import build_task, fresh_state
from sisr_jax.types import Batch

CONFIG = "us_srgan"
VARIANT = "demo"
ROUNDS = 12


def seconds_of(step, state, batch):
    start = time.process_time()
    state, _ = jax.block_until_ready(step(state, batch))
    return time.process_time() - start, state


def measure(task, phase):
    shape = (task.config.data.batch_size, *task.config.data.shape, 1)
    images = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    count = len(images)
    batch = Batch(images, np.ones(count, bool), np.arange(count, dtype=np.int32))
    versions = {"with": STEPS[phase], "without": STEPS[phase].__wrapped__}
    steps = {
        name: jax.jit(functools.partial(step, task), donate_argnums=0)
        for name, step in versions.items()
    }
    states = {name: fresh_state(task, None) for name in steps}
    times = {name: [] for name in steps}
    for _ in range(ROUNDS + 2):
        for name, step in steps.items():
            seconds, states[name] = seconds_of(step, states[name], batch)
            times[name].append(seconds)
    return {name: values[2:] for name, values in times.items()}


def main():
    config = importlib.import_module(f"configs.{CONFIG}").get_config(VARIANT)
    task = build_task(parse(config.to_dict()))
    with (pathlib.Path(__file__).parent / "skipping.csv").open("w") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["config", "phase", "skipping", "min_s", "median_s", "rounds"])
        for phase in STEPS:
            for name, values in measure(task, phase).items():
                figures = (min(values), statistics.median(values))
                row = [f"{CONFIG}:{VARIANT}", phase, name]
                row += [f"{value:.4f}" for value in figures]
                print(*row, flush=True)
                rows.writerow([*row, ROUNDS])


if __name__ == "__main__":
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    main()

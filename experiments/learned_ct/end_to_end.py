"""Trains the shipped cascade on, all stages together on whole slices.

    python -m experiments.learned_ct.end_to_end --data FOLDER --minutes 12 \
        --output end_to_end.csv

Its stages were trained one after the other, each for its own output. Here the loss is
of what comes out at the end, behind the steps of data consistency: the logarithm of the
mean squared error. Every 16th view, one slice a step, Adam with a cosine over minutes
of the processor. `end_to_end.csv` has the PSNR of each validation slice before and
after.
"""

import argparse
import csv
import functools
import pathlib
import time
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.learned_ct.samplings import every
from experiments.learned_ct.slices import read_slice
from experiments.learned_ct.studies import STUDIES, files_of
from sisr_jax.inference import load
from sisr_jax.metrics import psnr
from sisr_jax.operators import LinearOperator
from sisr_jax.tomography import ParallelBeamCT

FACTOR = 16
# Weights that are good move little.
LEARNING_RATE = 3e-5
FIELDS = "minutes", "steps", "file", "psnr"


@functools.partial(jax.jit, static_argnums=0)
def restore(
    network: nn.Module, params: Any, target: jax.Array, operator: LinearOperator
) -> jax.Array:
    """The images `[slices, size, size, 1]` of simulated views."""
    views = operator(target)
    output: Any = network.apply({"params": params}, views, views, operator, train=False)
    return output


@functools.partial(jax.jit, static_argnums=0, donate_argnums=(1, 2))
def update(
    network: nn.Module,
    params: Any,
    moments: Any,
    target: jax.Array,
    operator: LinearOperator,
    rate: float,
) -> tuple[Any, Any, jax.Array]:
    """One step of Adam."""

    def loss(params: Any) -> jax.Array:
        output = restore(network, params, target, operator)[..., 0]
        return jnp.mean(jnp.log(jnp.square(output - target).mean((1, 2))))

    value, gradient = jax.value_and_grad(loss)(params)
    scale = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
    steps, moments = scale.update(gradient, moments)
    return jax.tree.map(lambda p, s: p - rate * s, params, steps), moments, value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    study, restorer = STUDIES["noise-free"], load("sparse-view-ct")
    operator, network = ParallelBeamCT(every(FACTOR).beam), restorer.network
    params = jax.tree.map(jnp.array, restorer.variables["params"])
    splits = {
        split: list(files_of(arguments.data, split))
        for split in ("train", "validation")
    }

    def slice_of(file: pathlib.Path) -> jax.Array:
        return jnp.asarray(read_slice(file, study.window)[None])

    def rows(minutes: float, steps: int) -> list[list]:
        found = []
        for file in splits["validation"]:
            target = slice_of(file)
            image = restore(network, params, target, operator)
            value = float(psnr(jnp.clip(image, 0, 1), target[..., None])[0])
            found.append([f"{minutes:g}", steps, file.stem, f"{value:.3f}"])
        level = np.mean([float(row[-1]) for row in found])
        print(f"{minutes:g} minutes, {steps} steps: {level:.3f} dB", flush=True)
        return found

    written = rows(0, 0)
    adam = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
    moments, budget, step = adam.init(params), 60 * arguments.minutes, 0
    random, start = np.random.default_rng(0), time.process_time()
    while (share := (time.process_time() - start) / budget) < 1:
        target = slice_of(splits["train"][random.integers(len(splits["train"]))])
        rate = LEARNING_RATE * min(1, (step + 1) / 10) * (1 + np.cos(np.pi * share)) / 2
        arrays = params, moments, target, operator, rate
        params, moments, value = update(network, *arrays)
        step += 1
        print(f"step {step}, {100 * share:.0f} %, loss {value:.3f}", flush=True)
    written += rows(arguments.minutes, step)
    with arguments.output.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([FIELDS, *written])


if __name__ == "__main__":
    main()

"""Trains one stage of a cascade for 63 of 1000 views, on crops.

    python -m experiments.learned_ct.prepare --data FOLDER --cache CACHE
    python -m experiments.learned_ct.train --data FOLDER --cache CACHE --run NAME \
        --stage 0 --minutes 30
    python -m experiments.learned_ct.apply --data FOLDER --cache CACHE --run NAME \
        --stage 0
    python -m experiments.learned_ct.train ... --stage 1 --minutes 30

Each stage is a `UNet` that sees the current image, made consistent with the measured
views, the output of the stage before, and the starts. A stage begins with the weights
of the one before, but for the last layer, which begins at zero. Minutes are those of
the processor, so that a busy machine trains as long as a quiet one. A run that was
stopped goes on where it was saved. Slices that are not prepared or applied yet are
taken in as they come.
"""

import argparse
import csv
import functools
import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import flatten_dict

from experiments.learned_ct.physics import Scan, make_consistent, make_scan
from experiments.learned_ct.pool import CROP, STARTS, Pool, pools_of
from experiments.learned_ct.slices import save
from experiments.learned_ct.weights import load_stages
from sisr_jax.models.unet import UNet

LEARNING_RATE = 1e-3
EMA = 0.998
CONSISTENCY_STEPS = 8
SAVE_SECONDS = 120
VALIDATE_SECONDS = 360

Params = Any


@functools.partial(jax.jit, static_argnums=0, donate_argnums=(1, 2, 3))
def update(
    net: UNet, params: Params, ema: Params, moments: Any, batch: dict, rate: float
) -> tuple[Params, Params, Any, jax.Array]:
    """One step of Adam on the mean of the errors over those of the slices' inputs."""

    def loss(params: Params) -> jax.Array:
        output = net.apply({"params": params}, batch["inputs"], train=True)
        error = jnp.square(output - batch["target"]).mean((1, 2, 3))
        return jnp.mean(error / batch["error"])

    value, gradient = jax.value_and_grad(loss)(params)
    steps, moments = optax.scale_by_adam().update(gradient, moments)
    params = jax.tree.map(lambda p, s: p - rate * s, params, steps)
    # The first averages are of few steps: a short run must forget its beginning.
    count = moments.count.astype(jnp.float32)
    keep = jnp.minimum(EMA, (1 + count) / (10 + count))
    ema = jax.tree.map(lambda e, p: keep * e + (1 - keep) * p, ema, params)
    return params, ema, moments, value


@jax.jit
def finish(
    params: Params, inputs: jax.Array, measured: jax.Array, scan: Scan
) -> tuple[jax.Array, jax.Array]:
    """Output of a stage for `[size, size, channels]`, as it is and made consistent."""
    output = UNet().apply({"params": params}, inputs[None], train=False)[0, ..., 0]
    steps = CONSISTENCY_STEPS
    return output, make_consistent(scan, output, measured, num_steps=steps)


def psnr(image: np.ndarray, target: np.ndarray) -> float:
    error = np.square(np.asarray(image).clip(0, 1) - target, dtype=np.float64).mean()
    return float(-10 * np.log10(error))


def validate(params: Params, pool: Pool, scan: Scan, every: int) -> list[float]:
    """Mean PSNR of the input, of the output and of the consistent output."""
    levels = []
    for each in list(pool.slices.values())[::every]:
        images = finish(params, each["inputs"], each["measured"], scan)
        images = each["inputs"][..., 0], *images
        levels.append([psnr(image, each["target"]) for image in images])
    return np.mean(levels, 0).tolist()


def train_stage(
    stage: int, minutes: float, params: Params, run: pathlib.Path, pools: dict, scan
) -> Params:
    """Trains one stage, from its saved state if there is one."""
    net = UNet()
    path = run / f"state_{stage}.npz"
    # Copies: the arrays are given away to `update`.
    ema = jax.tree.map(jnp.array, params)
    params = jax.tree.map(jnp.array, params)
    state = [params, ema, optax.scale_by_adam().init(params), 0, 0.0, 0.0]
    if path.exists():
        with np.load(path) as stored:
            leaves = [jnp.asarray(stored[str(i)]) for i in range(len(stored))]
        state = jax.tree.unflatten(jax.tree.structure(state), leaves)
    params, ema, moments, step, spent, cpu = state
    step, spent, cpu = int(step), float(spent), float(cpu)
    budget = 60 * minutes
    saved = validated = spent
    clock, processor = time.perf_counter() - spent, time.process_time() - cpu
    losses = []
    while (cpu := time.process_time() - processor) < budget:
        spent = time.perf_counter() - clock
        share = cpu / budget
        rate = (
            LEARNING_RATE * min(1, (step + 1) / 100) * (1 + np.cos(np.pi * share)) / 2
        )
        batch = pools["train"].draw(np.random.default_rng([stage, step]))
        params, ema, moments, value = update(net, params, ema, moments, batch, rate)
        losses.append(value)
        step += 1
        if spent > validated + VALIDATE_SECONDS:
            pools["train"].refresh()
            pools["validation"].refresh()
            levels = validate(ema, pools["validation"], scan, 5)
            _report(run, stage, step, spent, cpu, levels, losses, pools, 5)
            losses = []
            validated = spent
        if spent > saved + SAVE_SECONDS:
            leaves = jax.tree.leaves([params, ema, moments, step, spent, cpu])
            save(path, {str(i): np.asarray(leaf) for i, leaf in enumerate(leaves)})
            saved = spent
    levels = validate(ema, pools["validation"], scan, 1)
    _report(run, stage, step, spent, cpu, levels, losses, pools, 1)
    return ema


def _report(run, stage, step, spent, cpu, levels, losses, pools, every) -> None:
    path = run / "curve.csv"
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(
                "stage step minutes cpu_minutes train_slices validation_every loss "
                "psnr_input psnr_output psnr_consistent".split()
            )
        loss = np.mean(jax.device_get(losses)) if losses else np.nan
        row = [stage, step, f"{spent / 60:.2f}", f"{cpu / 60:.2f}"]
        row += [len(pools["train"].slices), every, f"{loss:.4f}"]
        row += [f"{level:.3f}" for level in levels]
        writer.writerow(row)
    print(time.strftime("%H:%M"), *row, flush=True)


def initial(run: pathlib.Path, stage: int) -> Params:
    """The weights that a stage begins with."""
    if stage == 0:
        shape = (1, CROP, CROP, 2 + len(STARTS))
        return UNet().init(jax.random.key(0), jnp.zeros(shape), train=False)["params"]
    params = load_stages(run)[f"stage_{stage - 1}"]
    return params | {"output": jax.tree.map(np.zeros_like, params["output"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--stage", type=int, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    arguments = parser.parse_args()
    stage, run = arguments.stage, arguments.cache / arguments.run
    run.mkdir(parents=True, exist_ok=True)
    scan = make_scan(size=512, full=1000, factor=16)
    pools = pools_of(arguments.data, arguments.cache, arguments.run, stage)
    params = initial(run, stage)
    trained = train_stage(stage, arguments.minutes, params, run, pools, scan)
    flat = flatten_dict(jax.device_get(trained), sep="/")
    save(run / f"weights_{stage}.npz", flat)


if __name__ == "__main__":
    main()

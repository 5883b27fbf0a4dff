"""Trains the network for any factor, or a rival for one, on crops.

    python -m experiments.ultrasound.train --data FOLDER --run RUN --minutes 60
    python -m experiments.ultrasound.train --data FOLDER --run RUN --minutes 5 \
        --recipe edsr --factor 16

Minutes are those of the processor, so that a busy machine trains as long as a quiet
one. The loss is the logarithm of each crop's mean squared error: its mean falls as the
mean PSNR rises. A run that was stopped goes on where it was saved, also with other
minutes. `curve.csv` in RUN has the PSNR of validation frames as it went.
"""

import argparse
import csv
import functools
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from experiments.ultrasound.frames import BATCH, CROP, draw, frames_of, middle
from experiments.ultrasound.recipes import RECIPES, Recipe
from sisr_jax.ultrasound import KeptLines, LateralDecimation

LEARNING_RATE = 1e-3
EMA = 0.999
# Mean squared errors far below are as good as none (55 dB).
NEGLIGIBLE = 3e-6
SAVE_SECONDS = 120
VALIDATE_SECONDS = 300
FIELDS = "recipe factor step cpu_minutes loss protocol frames psnr psnr_heads".split()
ADAM = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())

Params = Any
# Crops and kept lines of a step; lines of protocol, frames and PSNR of weights.
Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]
Validate = Callable[[Params], list[list]]


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2, 3, 4))
def update(
    recipe: Recipe,
    factor: int | None,
    params: Params,
    ema: Params,
    moments: Any,
    target: jax.Array,
    kept: jax.Array,
    rate: float,
) -> tuple[Params, Params, Any, jax.Array]:
    """One step of Adam."""
    operator = KeptLines(kept)

    def loss(params: Params) -> jax.Array:
        output = recipe.restore(params, operator(target), operator, factor)
        error = jnp.square(output - target).mean((1, 2))
        return jnp.mean(jnp.log(error + NEGLIGIBLE))

    value, gradient = jax.value_and_grad(loss)(params)
    steps, moments = ADAM.update(gradient, moments)
    params = jax.tree.map(lambda p, s: p - rate * s, params, steps)
    # The first averages are of few steps: a short run must forget its beginning.
    count = moments[1].count.astype(jnp.float32)
    keep = jnp.minimum(EMA, (1 + count) / (10 + count))
    ema = jax.tree.map(lambda e, p: keep * e + (1 - keep) * p, ema, params)
    return params, ema, moments, value


@functools.partial(jax.jit, static_argnums=(0, 1))
def errors(
    recipe: Recipe, factor: int | None, params: Params, target: jax.Array, kept: Any
) -> jax.Array:
    """Mean squared errors of images, clipped."""
    operator = KeptLines(kept)
    output = recipe.restore(params, operator(target), operator, factor)
    return jnp.square(output.clip(0, 1) - target).mean((1, 2))


class Validation:
    """PSNR of the middles of validation frames, every 16th and every 4th line kept."""

    def __init__(self, recipe: Recipe, factor: int | None, data: pathlib.Path) -> None:
        frames = frames_of(data, "validation")
        self._images = np.stack([middle(each.image) for each in frames])
        self._is_head = np.array([each.kind == "hc18" for each in frames])
        self._recipe, self._factor = recipe, factor

    def __call__(self, params: Params) -> list[list]:
        """Lines of protocol, frames, and the means of all and of heads."""
        lines = []
        for factor in (16, 4) if self._factor is None else (self._factor,):
            kept = (np.arange(self._images.shape[-1]) % factor == 0).astype(np.float32)
            levels = []
            for images in np.split(self._images, len(self._images) // BATCH):
                many = np.tile(kept, (BATCH, 1))
                levels += [errors(self._recipe, self._factor, params, images, many)]
            levels = -10 * np.log10(np.concatenate(levels))
            means = levels.mean(), levels[self._is_head].mean()
            lines.append([f"x{factor}", len(levels), *(f"{m:.3f}" for m in means)])
        return lines


def train(
    recipe: Recipe,
    factor: int | None,
    minutes: float,
    run: pathlib.Path,
    draw: Draw,
    validation: Validate,
    begin: Params = None,
) -> Params:
    """Trains from the saved state in a folder, if there is one."""
    params = initial(recipe, factor) if begin is None else begin
    state = [params, jax.tree.map(jnp.array, params), ADAM.init(params), 0, 0.0]
    path = run / "state.npz"
    if path.exists():
        with np.load(path) as stored:
            leaves = [jnp.asarray(stored[str(i)]) for i in range(len(stored))]
        state = jax.tree.unflatten(jax.tree.structure(state), leaves)
    params, ema, moments, step, cpu = state
    step, cpu = int(step), float(cpu)
    budget, processor = 60 * minutes, time.process_time() - cpu
    saved = validated = time.perf_counter()
    losses = []

    def report() -> None:
        loss = f"{np.mean(jax.device_get(losses)) if losses else np.nan:.4f}"
        row = [recipe.label, factor or "any", step, f"{cpu / 60:.2f}", loss]
        _append(run / "curve.csv", [[*row, *line] for line in validation(ema)])

    while (cpu := time.process_time() - processor) < budget:
        share = cpu / budget
        warm = min(1, (step + 1) / 100)
        rate = LEARNING_RATE * warm * (1 + np.cos(np.pi * share)) / 2
        batch = draw(np.random.default_rng([0, step]))
        params, ema, moments, value = update(
            recipe, factor, params, ema, moments, *batch, rate
        )
        losses.append(value)
        step += 1
        now = time.perf_counter()
        if now > validated + VALIDATE_SECONDS:
            report()
            losses, validated = [], now
        if now > saved + SAVE_SECONDS:
            leaves = jax.tree.leaves([params, ema, moments, step, cpu])
            _save(path, {str(i): np.asarray(leaf) for i, leaf in enumerate(leaves)})
            save_params(run, ema)
            saved = now
    report()
    return ema


def initial(recipe: Recipe, factor: int | None) -> Params:
    """The weights to begin with."""
    operator = LateralDecimation(factor or 16)
    lines = operator(jnp.zeros((1, *CROP)))
    arguments = lines[..., None], lines, operator
    network = recipe.network(factor)
    return network.init(jax.random.key(0), *arguments, train=False)["params"]


def save_params(run: pathlib.Path, params: Params) -> None:
    """Writes averaged weights where `load_params` finds them."""
    flat = flatten_dict(jax.device_get(params), sep="/")
    _save(run / "weights.npz", flat)


def load_params(run: pathlib.Path) -> Params:
    """The averaged weights of a run."""
    return unflatten_dict(dict(np.load(run / "weights.npz")), sep="/")


def _save(path: pathlib.Path, arrays: dict) -> None:
    """Writes an npz file that is there whole or not at all."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(file, **arrays)
    temporary.replace(path)


def _append(path: pathlib.Path, rows: list) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([FIELDS, *rows] if new else rows)
    for row in rows:
        print(time.strftime("%H:%M"), *row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--recipe", choices=RECIPES, default="lateral")
    parser.add_argument("--factor", type=int, help="the only one; default: any")
    parser.add_argument("--begin", type=pathlib.Path, help="run to begin with")
    parser.add_argument("--minutes", type=float, required=True)
    arguments = parser.parse_args()
    recipe, run = RECIPES[arguments.recipe], arguments.run
    if not recipe.anything and arguments.factor is None:
        parser.error("--factor: rivals need one")
    run.mkdir(parents=True, exist_ok=True)
    begin = None if arguments.begin is None else load_params(arguments.begin)
    begin = jax.tree.map(jnp.asarray, begin)
    data, factor = arguments.data, arguments.factor
    crops = functools.partial(draw, frames_of(data, "train"), factor=factor)
    validation = Validation(recipe, factor, data)
    trained = train(recipe, factor, arguments.minutes, run, crops, validation, begin)
    save_params(run, trained)


if __name__ == "__main__":
    main()

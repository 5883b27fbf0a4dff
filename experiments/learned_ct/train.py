"""Trains one stage of a cascade for any sampling, on crops.

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
stopped goes on where it was saved. Samples that are not prepared or applied yet are
taken in as they come. With `--begin FILE` a stage begins with that of the shipped
cascade without noise, which has fewer starts.
"""

import argparse
import csv
import functools
import pathlib
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from etils import epath
from flax.traverse_util import flatten_dict

from experiments.learned_ct.pool import CROP, Pool, pools_of
from experiments.learned_ct.recipes import RECIPES, Recipe
from experiments.learned_ct.samplings import Sampling
from experiments.learned_ct.slices import save
from experiments.learned_ct.studies import STUDIES, Study
from experiments.learned_ct.weights import load_stages, read_stages
from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.data_consistency import data_consistency
from sisr_jax.tomography import ParallelBeamCT

# What a stage sees beside total variation: current image, output of the stage before,
# and back-projection.
IMAGES = 3
LEARNING_RATE = 1e-3
EMA = 0.999
CONSISTENCY_STEPS = 8
SAVE_SECONDS = 120
VALIDATE_SECONDS = 480
FIELDS = (
    "stage step minutes cpu_minutes train_samples loss sampling slices "
    "psnr_input psnr_output psnr_consistent recipe"
).split()

Params = Any


@functools.partial(jax.jit, static_argnums=0, donate_argnums=(1, 2, 3))
def update(
    recipe: Recipe, params: Params, ema: Params, moments: Any, batch: dict, rate: float
) -> tuple[Params, Params, Any, jax.Array]:
    """One step of Adam."""

    def loss(params: Params) -> jax.Array:
        seen = recipe.seen(batch["inputs"])
        output = recipe.network.apply({"params": params}, seen, train=True)
        return recipe.loss(output, batch["target"], batch["error"])

    value, gradient = jax.value_and_grad(loss)(params)
    scale = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
    steps, moments = scale.update(gradient, moments)
    params = jax.tree.map(lambda p, s: p - rate * s, params, steps)
    # The first averages are of few steps: a short run must forget its beginning.
    count = moments[1].count.astype(jnp.float32)
    keep = jnp.minimum(EMA, (1 + count) / (10 + count))
    ema = jax.tree.map(lambda e, p: keep * e + (1 - keep) * p, ema, params)
    return params, ema, moments, value


@functools.partial(jax.jit, static_argnums=0)
def finish(
    recipe: Recipe,
    params: Params,
    inputs: jax.Array,
    measured: jax.Array,
    operator: LinearOperator,
) -> tuple[jax.Array, jax.Array]:
    """Output of a stage for `[size, size, channels]`, as it is and made consistent."""
    seen = recipe.seen(inputs[None])
    output = recipe.network.apply({"params": params}, seen, train=False)[0, ..., 0]
    steps = CONSISTENCY_STEPS
    return output, data_consistency(output, measured, operator, num_steps=steps)


def psnr(image: np.ndarray, target: np.ndarray) -> float:
    error = np.square(np.asarray(image).clip(0, 1) - target, dtype=np.float64).mean()
    return float(-10 * np.log10(error))


class Validation:
    """PSNR of some validation slices for each sampling."""

    def __init__(self, recipe: Recipe, pool: Pool) -> None:
        self._recipe, self._pool = recipe, pool
        self._operators: dict[Sampling, LinearOperator] = {}

    def __call__(self, params: Params, every: int) -> Iterable[list]:
        """Lines of sampling, slices, and means of input, output and consistent one."""
        levels = defaultdict(list)
        for group in self._pool.groups.values():
            for sample, each in list(group.items())[::every]:
                operator = self._operator(sample.sampling)
                arrays = each["inputs"], each["measured"]
                images = finish(self._recipe, params, *arrays, operator)
                images = self._recipe.seen(each["inputs"])[..., 0], *images
                found = [psnr(image, each["target"]) for image in images]
                levels[sample.protocol].append(found)
        for name, found in levels.items():
            yield [name, len(found), *(f"{m:.3f}" for m in np.mean(found, 0))]

    def _operator(self, sampling: Sampling) -> LinearOperator:
        if sampling not in self._operators:
            self._operators[sampling] = ParallelBeamCT(sampling.beam)
        return self._operators[sampling]


def train_stage(
    stage: int,
    recipe: Recipe,
    minutes: float,
    params: Params,
    run: pathlib.Path,
    pools: dict,
) -> Params:
    """Trains one stage, from its saved state if there is one."""
    validation = Validation(recipe, pools["validation"])
    path = run / f"state_{stage}.npz"
    # Copies: the arrays are given away to `update`.
    ema = jax.tree.map(jnp.array, params)
    params = jax.tree.map(jnp.array, params)
    adam = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
    state = [params, ema, adam.init(params), 0, 0.0, 0.0]
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

    def report(every: int, weights: Params, name: str) -> None:
        loss = f"{np.mean(jax.device_get(losses)) if losses else np.nan:.4f}"
        row = [stage, step, f"{spent / 60:.2f}", f"{cpu / 60:.2f}"]
        row += [len(pools["train"]), loss]
        lines = [[*row, *line, name] for line in validation(weights, every)]
        _append(run / "curve.csv", lines)

    while (cpu := time.process_time() - processor) < budget:
        spent = time.perf_counter() - clock
        share = cpu / budget
        rate = (
            LEARNING_RATE * min(1, (step + 1) / 100) * (1 + np.cos(np.pi * share)) / 2
        )
        batch = pools["train"].draw(np.random.default_rng([stage, step]))
        params, ema, moments, value = update(recipe, params, ema, moments, batch, rate)
        losses.append(value)
        step += 1
        if spent > validated + VALIDATE_SECONDS:
            pools["train"].refresh()
            pools["validation"].refresh()
            report(3, ema, recipe.name)
            losses = []
            validated = spent
        if spent > saved + SAVE_SECONDS:
            leaves = jax.tree.leaves([params, ema, moments, step, spent, cpu])
            save(path, {str(i): np.asarray(leaf) for i, leaf in enumerate(leaves)})
            saved = spent
    report(1, ema, recipe.name)
    report(1, params, f"{recipe.name}, weights of the last step")
    return ema


def _append(path: pathlib.Path, rows: list) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([FIELDS, *rows] if new else rows)
    for row in rows:
        print(time.strftime("%H:%M"), *row, flush=True)


def initial(
    run: pathlib.Path,
    stage: int,
    study: Study,
    recipe: Recipe,
    begin: epath.Path | None,
) -> Params:
    """The weights that a stage begins with."""
    channels = IMAGES + len(study.start_weights)
    if begin is not None:
        # These were trained without noise, in three stages.
        stages = read_stages(begin, STUDIES["noise-free"], 3)
        return with_more_starts(stages[f"stage_{stage}"], channels)
    if stage == 0:
        seen = recipe.seen(jnp.zeros((1, CROP, CROP, channels)))
        return recipe.network.init(jax.random.key(0), seen, train=False)["params"]
    params = load_stages(run)[f"stage_{stage - 1}"]
    return params | {"output": jax.tree.map(np.zeros_like, params["output"])}


def with_more_starts(params: Params, channels: int) -> Params:
    """Weights that do not look yet at the starts that are new: of larger weights."""
    kernel = np.asarray(params["Conv_0"]["kernel"])
    height, width, inputs, outputs = kernel.shape
    # Space-to-depth: the channels of the four pixels follow each other.
    old = kernel.reshape(height, width, 4, inputs // 4, outputs)
    new = np.zeros((height, width, 4, channels, outputs), kernel.dtype)
    new[:, :, :, : inputs // 4 - 1] = old[:, :, :, :-1]
    new[:, :, :, -1] = old[:, :, :, -1]
    kernel = new.reshape(height, width, 4 * channels, outputs)
    return params | {"Conv_0": params["Conv_0"] | {"kernel": kernel}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--study", choices=STUDIES, default="noise-free")
    parser.add_argument("--recipe", choices=RECIPES, default="stage")
    parser.add_argument("--begin", type=epath.Path, help="weights to begin with")
    parser.add_argument("--run", required=True)
    parser.add_argument("--stage", type=int, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    arguments = parser.parse_args()
    stage, run = arguments.stage, arguments.cache / arguments.run
    study, recipe = STUDIES[arguments.study], RECIPES[arguments.recipe]
    run.mkdir(parents=True, exist_ok=True)
    pools = pools_of(study, arguments.data, arguments.cache, arguments.run, stage)
    params = initial(run, stage, study, recipe, arguments.begin)
    trained = train_stage(stage, recipe, arguments.minutes, params, run, pools)
    flat = flatten_dict(jax.device_get(trained), sep="/")
    save(run / f"weights_{stage}.npz", flat)


if __name__ == "__main__":
    main()

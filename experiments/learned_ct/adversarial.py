"""Trains a network of `train` on against a discriminator, on the same crops.

    python -m experiments.learned_ct.adversarial --data FOLDER --cache CACHE \
        --run srresnet --stage 0 --recipe "SRResNet on back-projection"

The steps are those of the package: the discriminator alone, then both. Of a cascade
the last stage goes on; the data consistency behind it, which a crop cannot have, is
there when whole slices are restored. Writes `adversarial_STAGE.npz` into the run.
"""

import argparse
import dataclasses
import pathlib
import time
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from experiments.learned_ct.pool import BATCH, CROP, Pool, pools_of
from experiments.learned_ct.recipes import RECIPES, Recipe
from experiments.learned_ct.slices import save
from experiments.learned_ct.studies import STUDIES
from experiments.learned_ct.weights import load_stages
from sisr_jax.config import parse
from sisr_jax.config.files import load
from sisr_jax.hosts.mesh import make_mesh
from sisr_jax.train.state import TrainState, initial_network, initial_state
from sisr_jax.train.steps import compile_step
from sisr_jax.train.task import Task, build_task
from sisr_jax.types import Batch, Example, Key

LEARNING_RATE = 1e-4
DISCRIMINATOR_WIDTH = 32
PHASES = "discriminator", "adversarial"
# Of which the discriminator has the first for itself.
STEPS, ALONE = 1500, 200


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class CropTask(Task):
    """A task whose batches are the target and what the network sees, as channels."""

    generator: nn.Module = dataclasses.field(kw_only=True, metadata={"static": True})

    def training_example(self, key: Key, batch: Batch) -> Example:
        """The batch as it is."""
        del key
        return Example(batch.hr[..., :1], batch.hr[..., 1:], measurement=None)


def task_of(recipe: Recipe) -> CropTask:
    """The task of training a recipe's network on."""
    config = load("ct_srgan")
    config.data.update(shape=(CROP, CROP), patch=(CROP, CROP), batch_size=BATCH)
    config.discriminator.width = DISCRIMINATOR_WIDTH
    for network in ("generator", "discriminator"):
        config.optimizer[network].learning_rate = LEARNING_RATE
    config.phases.update(generator=0, discriminator=ALONE, adversarial=STEPS - ALONE)
    task = build_task(parse(config.to_dict()))
    return CropTask(task.config, task.degradation, generator=recipe.network)


def draw(recipe: Recipe, pool: Pool, stage: int, step: int) -> Batch:
    """A batch of crops."""
    crops = pool.draw(np.random.default_rng([stage, step, 1]))
    seen = recipe.seen(crops["inputs"])
    return Batch(
        np.concatenate([crops["target"], seen], -1).astype(np.float32),
        np.ones(BATCH, bool),
        BATCH * step + np.arange(BATCH, dtype=np.int32),
    )


def beginning(task: CropTask, params: Any, batch: Batch) -> TrainState:
    """The state before the first step: a generator that has learned already."""
    key, example = jax.random.key(0), task.training_example(jax.random.key(0), batch)
    generator = initial_network(
        task.generator, task.generator_optimizer, key, example.inputs
    )
    discriminator = initial_network(
        task.discriminator, task.discriminator_optimizer, key, (example.hr,)
    )
    params = jax.tree.map(jnp.array, params)
    return initial_state(key, generator.replace(params=params), discriminator)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--study", choices=STUDIES, default="specialist")
    parser.add_argument("--recipe", choices=RECIPES, default="stage")
    parser.add_argument("--run", required=True)
    parser.add_argument("--stage", type=int, required=True)
    arguments = parser.parse_args()
    recipe, stage = RECIPES[arguments.recipe], arguments.stage
    run = arguments.cache / arguments.run
    study = STUDIES[arguments.study]
    pool = pools_of(study, arguments.data, arguments.cache, arguments.run, stage)
    task, mesh = task_of(recipe), make_mesh()
    params = load_stages(run)[f"stage_{stage}"]
    state = beginning(task, params, draw(recipe, pool["train"], stage, 0))
    steps = {name: compile_step(task, name, mesh) for name in PHASES}
    begin = time.process_time()
    for step in range(STEPS):
        name = PHASES[step >= ALONE]
        batch = draw(recipe, pool["train"], stage, step)
        state, metrics = steps[name](task, state, batch)
        if (step + 1) % 100 == 0:
            shown = {each: f"{float(metrics[each]):.4g}" for each in sorted(metrics)}
            minutes = (time.process_time() - begin) / 60
            print(step + 1, f"{minutes:.1f} CPU min", shown, flush=True)
    flat = flatten_dict(jax.device_get(state.generator_ema), sep="/")
    save(run / f"adversarial_{stage}.npz", flat)


if __name__ == "__main__":
    main()

"""Per-image scores of every method on one split, and the validation mean.

Every estimate is clipped to [0, 1] before it is scored, with a data range of 1,
on the whole image of `data.shape`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from clu import metrics as clu_metrics
from jax.sharding import Mesh

from sisr_jax.data.pipeline import evaluation_batches
from sisr_jax.data.sources import Source
from sisr_jax.evaluation.baselines import PRIMARY_BASELINE, baselines
from sisr_jax.evaluation.table import Score
from sisr_jax.metrics import psnr, ssim
from sisr_jax.parallel import batch_sharding, replicated, to_devices
from sisr_jax.train.state import TrainState
from sisr_jax.train.task import Task, super_resolve
from sisr_jax.types import Batch, Image, Key

DEGRADED, HR = "Degraded", "HR"

ValidationMetrics = clu_metrics.Collection.create(
    psnr=clu_metrics.Average.from_output("psnr"),
    ssim=clu_metrics.Average.from_output("ssim"),
)
ValidationStep = Callable[[TrainState, Batch], clu_metrics.Collection]


class Weights(NamedTuple):
    """What a generator needs to run."""

    params: Any
    batch_stats: Any


class Evaluation(NamedTuple):
    """Scores of a split, and the images of some examples.

    Attributes:
        scores: One for each method and image, images in the order of the split.
        examples: `[num_examples, height, width, 1]` for `Degraded`, each
            method, and `HR`.
    """

    scores: list[Score]
    examples: dict[str, np.ndarray]


def averaged_generator(state: TrainState) -> Weights:
    """The weights that are evaluated: the moving average."""
    return Weights(state.generator_ema, state.generator.batch_stats)


def score_split(
    task: Task,
    generators: Mapping[str, Weights],
    source: Source,
    mesh: Mesh,
    *,
    key: Key,
    num_examples: int,
) -> Evaluation:
    """Scores the baselines and some generators on every image of a split.

    Args:
        task: The run's task.
        generators: Weights by the name of their row.
        source: The split.
        mesh: Devices to run on.
        key: Root key; per-image randomness follows from the image's index.
        num_examples: How many images to return, evenly spread over the split.
    """
    estimate = _compile_estimates(task, mesh)
    scores: list[Score] = []
    kept: dict[str, list[np.ndarray]] = {}
    # Evenly spread: neighbours in a split are slices of one patient.
    examples = {i * len(source) // num_examples for i in range(num_examples)}
    batch_size = task.config.evaluation.batch_size
    with evaluation_batches(source, task.config.data, batch_size=batch_size) as batches:
        for batch in batches:
            images, values = jax.device_get(
                estimate(dict(generators), key, to_devices(batch, mesh))
            )
            valid = np.flatnonzero(batch.mask)
            for row in valid:
                name = source.name(int(batch.index[row]))
                scores += [
                    Score(method, name, float(psnrs[row]), float(ssims[row]))
                    for method, (psnrs, ssims) in values.items()
                ]
            wanted = [row for row in valid if int(batch.index[row]) in examples]
            for name, image in images.items():
                kept.setdefault(name, []).append(image[wanted])
    by_method = {
        name: i for i, name in enumerate([*baselines(task.config), *generators])
    }
    scores.sort(key=lambda score: by_method[score.method])
    return Evaluation(scores, {k: np.concatenate(v) for k, v in kept.items()})


def compile_validation(task: Task, mesh: Mesh) -> ValidationStep:
    """One validation batch to mergeable PSNR and SSIM means of the average."""

    def validate(state: TrainState, batch: Batch) -> clu_metrics.Collection:
        pair = task.evaluation_pairs(state.key, batch)
        sr = super_resolve(task, *averaged_generator(state), pair.degraded)
        return ValidationMetrics.single_from_model_output(
            psnr=psnr(sr, pair.hr), ssim=ssim(sr, pair.hr), mask=batch.mask
        )

    whole = replicated(mesh)
    return jax.jit(
        validate, in_shardings=(whole, batch_sharding(mesh)), out_shardings=whole
    )


def compile_samples(task: Task, mesh: Mesh) -> Callable[..., dict[str, jax.Array]]:
    """One batch to the images that training logs: what goes in and what comes out."""
    baseline_name = PRIMARY_BASELINE[task.config.degradation.kind]
    baseline = baselines(task.config)[baseline_name]

    def samples(state: TrainState, batch: Batch) -> dict[str, Image]:
        pair = task.evaluation_pairs(state.key, batch)
        return {
            "degraded": jnp.clip(pair.degraded, 0.0, 1.0),
            "baseline": baseline(state.key, pair.hr),
            "sr": super_resolve(task, *averaged_generator(state), pair.degraded),
            "hr": pair.hr,
        }

    whole, split = replicated(mesh), batch_sharding(mesh)
    return jax.jit(samples, in_shardings=(whole, split), out_shardings=split)


def _compile_estimates(task: Task, mesh: Mesh) -> Callable[..., Any]:
    without_learning = baselines(task.config)

    def estimates(
        generators: dict[str, Weights], key: Key, batch: Batch
    ) -> tuple[dict[str, Image], dict[str, tuple[jax.Array, jax.Array]]]:
        pair = task.evaluation_pairs(key, batch)
        methods = {name: f(key, pair.hr) for name, f in without_learning.items()}
        for name, weights in generators.items():
            methods[name] = super_resolve(task, *weights, pair.degraded)
        values = {
            name: (psnr(image, pair.hr), ssim(image, pair.hr))
            for name, image in methods.items()
        }
        return {DEGRADED: pair.degraded, **methods, HR: pair.hr}, values

    whole, split = replicated(mesh), batch_sharding(mesh)
    return jax.jit(estimates, in_shardings=(whole, whole, split), out_shardings=split)

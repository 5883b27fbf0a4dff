"""Per-image scores of every method on one split, and the validation mean.

Every estimate is clipped to [0, 1] before it is scored, with a data range of 1:
the `physical` protocol. `score_protocol` scores the baselines by either.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from clu import metrics as clu_metrics
from jax.sharding import Mesh

from sisr_jax.config import Config
from sisr_jax.data.sources import Mirrored, Source
from sisr_jax.degradation import Baselines, Degradation, modality_of
from sisr_jax.evaluation.collect import Evaluation, Save, collect
from sisr_jax.evaluation.protocol import Family, Protocol, config_of, protocol_of
from sisr_jax.evaluation.regions import Regions
from sisr_jax.evaluation.setup import Scores, finish, observe, of_pictures, score
from sisr_jax.hosts.mesh import batch_sharding, replicated
from sisr_jax.inference import Weights, averaged_weights, super_resolve
from sisr_jax.metrics import METRICS, psnr, ssim
from sisr_jax.random import Stream, per_example, stream
from sisr_jax.train.state import TrainState
from sisr_jax.train.task import Task, state_sharding
from sisr_jax.types import Batch, Example, Image, Key, Measurement

DEGRADED, HR = "Degraded", "HR"

ValidationMetrics = clu_metrics.Collection.create(
    psnr=clu_metrics.Average.from_output("psnr"),
    ssim=clu_metrics.Average.from_output("ssim"),
)
ValidationStep = Callable[[Task, TrainState, Batch], clu_metrics.Collection]


def score_split(
    task: Task,
    generators: Mapping[str, Weights],
    source: Source,
    mesh: Mesh,
    *,
    key: Key,
    num_examples: int,
    save: Save | None = None,
) -> Evaluation:
    """Scores the baselines and some generators on every image of a split.

    Args:
        task: The run's task.
        generators: Weights by the name of their row.
        source: The split.
        mesh: Devices to run on.
        key: Root key; per-image randomness follows from the image's index.
        num_examples: How many images to return, evenly spread over the split.
        save: Given every image that has a score, on every process.
    """
    protocol = protocol_of(task.config)
    whole, split = replicated(mesh), batch_sharding(mesh)
    baselines = modality_of(task.config).baselines(task.config)
    run = jax.jit(
        functools.partial(_estimates, protocol),
        in_shardings=(whole, whole, whole, whole, split, split),
        out_shardings=split,
    )
    # Keys and restored weights cannot be put on the devices of other hosts.
    estimate = functools.partial(
        run, *jax.device_put((task, baselines), whole), dict(generators), key
    )
    methods = [*baselines.names, *generators]
    return collect(
        estimate, methods, source, task.config, mesh, protocol, num_examples, save
    )


def score_protocol(
    config: Config,
    family: Family,
    source: Source,
    mesh: Mesh,
    *,
    baselines: Baselines | None = None,
    num_examples: int,
) -> Evaluation:
    """Scores methods without learning by either protocol.

    Args:
        config: Degradation, shape and evaluation batch.
        family: Which protocol of this configuration.
        source: The split.
        mesh: Devices to run on.
        baselines: What to score instead of the modality's own.
        num_examples: How many images to return, evenly spread over the split.
    """
    protocol, config = protocol_of(config, family), config_of(config, family)
    if "mirrored" in protocol.crop:
        source = Mirrored(source, protocol.shape)
    modality = modality_of(config)
    if baselines is None:
        baselines = modality.baselines(config)
    whole, split = replicated(mesh), batch_sharding(mesh)
    run = jax.jit(
        functools.partial(_baseline_estimates, protocol, config.evaluation.metrics),
        in_shardings=(whole, whole, whole, split, split),
        out_shardings=split,
    )
    key, degradation = jax.random.key(config.seed), modality.degrade(config)
    estimate = functools.partial(
        run, *jax.device_put((degradation, baselines), whole), key
    )
    methods = list(baselines.names)
    return collect(estimate, methods, source, config, mesh, protocol, num_examples)


def compile_validation(task: Task, mesh: Mesh) -> ValidationStep:
    """One validation batch to mergeable PSNR and SSIM means of the average."""
    whole = replicated(mesh)
    return jax.jit(
        _validate,
        in_shardings=(whole, state_sharding(task, mesh), batch_sharding(mesh)),
        out_shardings=whole,
    )


def compile_samples(task: Task, mesh: Mesh) -> Callable[..., dict[str, jax.Array]]:
    """One batch to the images that training logs: what goes in and what comes out."""
    split = batch_sharding(mesh)
    return jax.jit(
        _samples,
        in_shardings=(replicated(mesh), state_sharding(task, mesh), split),
        out_shardings=split,
    )


def compile_baseline(
    task: Task, mesh: Mesh
) -> Callable[[Key, Batch], tuple[clu_metrics.Collection, Image, Image]]:
    """One batch to means of the strongest baseline, its images, and the truth.

    The means are those of `compile_validation`. A baseline has no weights, so that
    once is enough for a run.
    """
    whole, split = replicated(mesh), batch_sharding(mesh)
    run = jax.jit(
        _baseline,
        in_shardings=(whole, whole, whole, split),
        out_shardings=(whole, split, split),
    )
    baselines = modality_of(task.config).baselines(task.config)
    return functools.partial(run, *jax.device_put((task, baselines), whole))


def _validate(task: Task, state: TrainState, batch: Batch) -> clu_metrics.Collection:
    example = task.evaluation_example(state.key, batch)
    sr = super_resolve(task, averaged_weights(state), example)
    return ValidationMetrics.single_from_model_output(
        psnr=psnr(sr, example.hr), ssim=ssim(sr, example.hr), mask=batch.mask
    )


def _samples(task: Task, state: TrainState, batch: Batch) -> dict[str, Image]:
    example = task.evaluation_example(state.key, batch)
    return {
        "degraded": example.estimate,
        "sr": super_resolve(task, averaged_weights(state), example),
        "hr": example.hr,
    }


def _baseline(
    task: Task, baselines: Baselines, key: Key, batch: Batch
) -> tuple[clu_metrics.Collection, Image, Image]:
    example = task.evaluation_example(key, batch)
    measurement = Measurement(*example.inputs[1:3])
    image = jnp.clip(baselines(measurement)[baselines.primary], 0.0, 1.0)
    means = ValidationMetrics.single_from_model_output(
        psnr=psnr(image, example.hr), ssim=ssim(image, example.hr), mask=batch.mask
    )
    return means, image, example.hr


def _estimates(
    protocol: Protocol,
    task: Task,
    baselines: Baselines,
    generators: dict[str, Weights],
    key: Key,
    batch: Batch,
    regions: Regions,
) -> tuple[dict[str, Image], Scores]:
    degradation = task.degradation
    keys = per_example(stream(key, Stream.DEGRADE), batch.index)
    seen = observe(protocol, degradation, baselines, keys, batch.hr, regions)
    estimate = degradation.estimate(seen.measurement)
    example = Example(seen.target, estimate, seen.measurement, seen.side)
    methods = baselines(seen.measurement)
    for name, weights in generators.items():
        methods[name] = super_resolve(task, weights, example)
    images = {name: jnp.clip(image, 0.0, 1.0) for name, image in methods.items()}
    metrics = _named(task.config.evaluation.metrics) | of_pictures(
        degradation, batch.hr
    )
    return (
        {DEGRADED: estimate, **images, HR: seen.target},
        score(protocol, metrics, methods, seen),
    )


def _baseline_estimates(
    protocol: Protocol,
    metrics: tuple[str, ...],
    degradation: Degradation,
    baselines: Baselines,
    key: Key,
    batch: Batch,
    regions: Regions,
) -> tuple[dict[str, Image], Scores]:
    keys = per_example(stream(key, Stream.DEGRADE), batch.index)
    seen = observe(protocol, degradation, baselines, keys, batch.hr, regions)
    raw = baselines(seen.measurement)
    images = {name: finish(protocol, image) for name, image in raw.items()}
    scores = score(
        protocol, _named(metrics) | of_pictures(degradation, batch.hr), raw, seen
    )
    return {**images, HR: seen.target}, scores


def _named(metrics: tuple[str, ...]) -> dict[str, Any]:
    return {name: METRICS[name] for name in metrics}

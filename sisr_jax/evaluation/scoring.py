"""Per-image scores of every method on one split, and the validation mean.

Every estimate is clipped to [0, 1] before it is scored, with a data range of 1:
the `physical` protocol. `score_protocol` scores the baselines by another one.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from clu import metrics as clu_metrics
from jax.sharding import Mesh

from sisr_jax.config import Config
from sisr_jax.data.sources import Mirrored, Source
from sisr_jax.evaluation.acquisition import Acquisition, acquisition, with_full_plan
from sisr_jax.evaluation.baselines import LIGHT_BASELINE, Method, Methods, methods_of
from sisr_jax.evaluation.collect import Evaluation, collect
from sisr_jax.evaluation.protocol import Protocol, protocol_of
from sisr_jax.evaluation.regions import Regions
from sisr_jax.evaluation.setup import Scores, build_setup, finish, protocol_config
from sisr_jax.hosts.mesh import batch_sharding, replicated
from sisr_jax.metrics import psnr, ssim
from sisr_jax.train.state import TrainState
from sisr_jax.train.task import Task, compiled, state_sharding, super_resolve
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
    protocol = protocol_of(task.config)
    acquire = with_full_plan(acquisition(task.config, protocol, task.degrade))
    full = jax.device_put(acquire.full, replicated(mesh))
    run = _compile_estimates(task, protocol, mesh)

    def estimate(batch: Batch, regions: Regions) -> Any:
        return run(full, dict(generators), key, batch, regions)

    methods = [*methods_of(acquire), *generators]
    return collect(estimate, methods, source, task.config, mesh, protocol, num_examples)


def score_protocol(
    config: Config,
    protocol: Protocol,
    source: Source,
    mesh: Mesh,
    *,
    methods: Methods = methods_of,
    num_examples: int,
) -> Evaluation:
    """Scores methods without learning by any protocol.

    Args:
        config: Degradation, shape and evaluation batch.
        protocol: Of this configuration; its window and shape replace those of
            `config`.
        source: The split.
        mesh: Devices to run on.
        methods: What to score.
        num_examples: How many images to return, evenly spread over the split.
    """
    config = protocol_config(config, protocol)
    if "mirrored" in protocol.crop:
        source = Mirrored(source, protocol.shape)
    acquire = with_full_plan(acquisition(config, protocol))

    made = methods(acquire)

    def estimates(
        acquire: Acquisition, made: dict[str, Method], batch: Batch, regions: Regions
    ) -> tuple[dict[str, Image], Scores]:
        setup = build_setup(protocol, acquire)
        seen = setup.observe(batch.hr, regions)
        raw = {name: make(seen.measured) for name, make in made.items()}
        images = {name: finish(protocol, image) for name, image in raw.items()}
        return {**images, HR: seen.target}, setup.score(raw, seen)

    whole, split = replicated(mesh), batch_sharding(mesh)
    jitted = jax.jit(
        estimates, in_shardings=(whole, whole, split, split), out_shardings=split
    )
    estimate = functools.partial(jitted, *jax.device_put((acquire, made), whole))
    return collect(estimate, list(made), source, config, mesh, protocol, num_examples)


def compile_validation(task: Task, mesh: Mesh) -> ValidationStep:
    """One validation batch to mergeable PSNR and SSIM means of the average."""

    def validate(task: Task, state: TrainState, batch: Batch) -> clu_metrics.Collection:
        pair = task.evaluation_pairs(task.degrade, state.key, batch)
        sr = super_resolve(task, *averaged_generator(state), pair.degraded)
        return ValidationMetrics.single_from_model_output(
            psnr=psnr(sr, pair.hr), ssim=ssim(sr, pair.hr), mask=batch.mask
        )

    return compiled(
        task,
        validate,
        mesh,
        in_shardings=(state_sharding(task, mesh), batch_sharding(mesh)),
        out_shardings=replicated(mesh),
    )


def compile_samples(task: Task, mesh: Mesh) -> Callable[..., dict[str, jax.Array]]:
    """One batch to the images that training logs: what goes in and what comes out."""
    protocol = protocol_of(task.config)
    name = LIGHT_BASELINE[task.config.degradation.kind]

    def samples(task: Task, state: TrainState, batch: Batch) -> dict[str, Image]:
        pair = task.evaluation_pairs(task.degrade, state.key, batch)
        acquire = acquisition(task.config, protocol, task.degrade)
        baseline = methods_of(acquire)[name](acquire(pair.hr))
        return {
            "degraded": jnp.clip(pair.degraded, 0.0, 1.0),
            "baseline": jnp.clip(baseline, 0.0, 1.0),
            "sr": super_resolve(task, *averaged_generator(state), pair.degraded),
            "hr": pair.hr,
        }

    split = batch_sharding(mesh)
    return compiled(
        task,
        samples,
        mesh,
        in_shardings=(state_sharding(task, mesh), split),
        out_shardings=split,
    )


def _compile_estimates(
    task: Task, protocol: Protocol, mesh: Mesh
) -> Callable[..., Any]:
    def estimates(
        task: Task,
        full: Any,
        generators: dict[str, Weights],
        key: Key,
        batch: Batch,
        regions: Regions,
    ) -> tuple[dict[str, Image], Scores]:
        pair = task.evaluation_pairs(task.degrade, key, batch)
        acquire = acquisition(task.config, protocol, task.degrade)
        acquire = dataclasses.replace(acquire, full=full)
        setup = build_setup(protocol, acquire)
        seen = setup.observe(batch.hr, regions)
        methods = {name: f(seen.measured) for name, f in methods_of(acquire).items()}
        for name, weights in generators.items():
            methods[name] = super_resolve(task, *weights, pair.degraded)
        images = {name: jnp.clip(image, 0.0, 1.0) for name, image in methods.items()}
        scores = setup.score(methods, seen)
        return {DEGRADED: pair.degraded, **images, HR: pair.hr}, scores

    whole, split = replicated(mesh), batch_sharding(mesh)
    return compiled(
        task,
        estimates,
        mesh,
        in_shardings=(whole, whole, whole, split, split),
        out_shardings=split,
    )

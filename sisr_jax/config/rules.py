"""What the values of a configuration must obey, alone and together."""

import dataclasses
from typing import Any

from sisr_jax.config.images import Data, LateralDecimation, SparseViewCT
from sisr_jax.config.sections import Config, Generator
from sisr_jax.errors import InputError


class ConfigError(InputError):
    """A configuration that cannot be run; the message names the key."""


def check_rules(config: Config) -> None:
    """Checks every rule that types alone do not say.

    Raises:
        ConfigError: Naming the key, its value and what was expected.
    """
    _check_counts(config)
    _check_numbers(config)
    _check_data(config.data)
    if isinstance(config.degradation, SparseViewCT):
        _check_ct(config.degradation, config.data, config.generator)
    else:
        _check_ultrasound(config.degradation, config.data, config.generator)
    shape = config.data.shape
    _check(
        not config.augmentation.rotate or shape[0] == shape[1],
        "augmentation.rotate",
        True,
        f"a square data.shape to rotate, not {shape}",
    )


def _check(condition: bool, path: str, value: Any, expected: str) -> None:
    if not condition:
        raise ConfigError(f"config.{path} = {value!r}: expected {expected}")


def _check_counts(config: Config) -> None:
    data = config.data
    positive = {
        "data.shape": min(data.shape),
        "data.patch": min(data.patch),
        "data.batch_size": data.batch_size,
        "data.num_threads": data.num_threads,
        "degradation.factor": config.degradation.factor,
        "generator.width": config.generator.width,
        "generator.num_blocks": config.generator.num_blocks,
        "discriminator.width": config.discriminator.width,
        "evaluation.every_steps": config.evaluation.every_steps,
        "evaluation.batch_size": config.evaluation.batch_size,
        "evaluation.num_figure": config.evaluation.num_figure,
        "checkpoint.every_steps": config.checkpoint.every_steps,
        "checkpoint.keep_last": config.checkpoint.keep_last,
        "log.every_steps": config.log.every_steps,
        "log.images_every_steps": config.log.images_every_steps,
        "safety.max_skipped_in_a_row": config.safety.max_skipped_in_a_row,
        "safety.saturated_records": config.safety.saturated_records,
        "mesh.model": config.mesh.model,
        "optimizer.generator.every_steps": config.optimizer.generator.every_steps,
        "optimizer.discriminator.every_steps": (
            config.optimizer.discriminator.every_steps
        ),
    }
    for path, value in positive.items():
        _check(value >= 1, path, value, "at least 1")


def _check_numbers(config: Config) -> None:
    for name in ("saturated_real", "saturated_generated"):
        probability = getattr(config.safety, name)
        _check(0 <= probability <= 1, f"safety.{name}", probability, "0 to 1")
    validation = config.evaluation.num_validation
    _check(validation >= 0, "evaluation.num_validation", validation, "0 (all) or more")
    for name, steps in dataclasses.asdict(config.phases).items():
        _check(steps >= 0, f"phases.{name}", steps, "0 or more steps")
    _check(
        config.mesh.model == 1 or config.discriminator.head == "dense",
        "mesh.model",
        config.mesh.model,
        "1, as nothing but discriminator.head = 'dense' is split",
    )
    _check(0 <= config.seed < 2**32, "seed", config.seed, "0 <= seed < 2**32")
    _check(0 <= config.ema_decay < 1, "ema_decay", config.ema_decay, "0 <= decay < 1")
    _check(
        config.loss.adversarial_weight >= 0,
        "loss.adversarial_weight",
        config.loss.adversarial_weight,
        "0 or more",
    )


def _check_data(data: Data) -> None:
    _check(data.window[0] < data.window[1], "data.window", data.window, "low < high")
    _check(
        data.patch[0] <= data.shape[0] and data.patch[1] <= data.shape[1],
        "data.patch",
        data.patch,
        f"a crop that fits into data.shape = {data.shape}",
    )
    needs_path = data.source in ("folder", "tfds")
    _check(
        bool(data.path) == needs_path,
        "data.path",
        data.path,
        f"{'a folder' if needs_path else 'empty'} for data.source = {data.source!r}",
    )
    _check(
        data.target == "image" or data.source == "tfds",
        "data.target",
        data.target,
        f"'image' for data.source = {data.source!r}; the others are of tfds records",
    )
    _check(
        data.target != "bmode" or data.window[1] <= 0,
        "data.window",
        data.window,
        "dB, which end at 0 or below, such as (-60, 0), for data.target = 'bmode'",
    )


def _check_ct(views: SparseViewCT, data: Data, generator: Generator) -> None:
    _check(data.shape[0] == data.shape[1], "data.shape", data.shape, "square for CT")
    step = 2**generator.num_shuffles
    for name in ("shape", "patch"):
        size = getattr(data, name)
        _check(
            size[0] % step == 0 and size[1] % step == 0,
            f"data.{name}",
            size,
            f"multiples of 2**generator.num_shuffles = {step}",
        )
    angles, factor = views.num_angles, views.factor
    _check(
        factor <= angles,
        "degradation.factor",
        factor,
        f"at most degradation.num_angles = {angles}",
    )


def _check_ultrasound(
    columns: LateralDecimation, data: Data, generator: Generator
) -> None:
    factor, offset = columns.factor, columns.offset
    _check(factor & (factor - 1) == 0, "degradation.factor", factor, "a power of two")
    _check(
        0 <= offset < factor, "degradation.offset", offset, f"0 <= offset < {factor}"
    )
    for name in ("shape", "patch"):
        size = getattr(data, name)
        _check(
            size[1] % factor == 0,
            f"data.{name}",
            size,
            f"a width that degradation.factor = {factor} divides",
        )
    _check(
        generator.num_shuffles == 0,
        "generator.num_shuffles",
        generator.num_shuffles,
        "0 for ultrasound, where the factor sets the shuffles",
    )

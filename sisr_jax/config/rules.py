"""What the values of a configuration must obey, alone and together."""

import dataclasses
from collections.abc import Iterable

from sisr_jax.config.checks import check
from sisr_jax.config.sections import Config
from sisr_jax.losses import PIXEL_LOSSES, TERMS
from sisr_jax.metrics import METRICS


def check_rules(config: Config) -> None:
    """Checks every rule that types alone do not say.

    Raises:
        ConfigError: Naming the key, its value and what was expected.
    """
    _check_counts(config)
    _check_numbers(config)
    _check_loss(config)
    for number, name in enumerate(config.evaluation.metrics):
        _check_name(f"evaluation.metrics[{number}]", name, METRICS)
    config.data.check()
    config.generator.check(config.data, config.degradation)
    config.degradation.check(config.data)
    shape = config.data.shape
    check(
        not config.augmentation.rotate or shape[0] == shape[1],
        "augmentation.rotate",
        True,
        f"a square data.shape to rotate, not {shape}",
    )


def _check_counts(config: Config) -> None:
    data = config.data
    positive = {
        "data.shape": min(data.shape),
        "data.patch": min(data.patch),
        "data.batch_size": data.batch_size,
        "data.num_threads": data.num_threads,
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
        check(value >= 1, path, value, "at least 1")


def _check_numbers(config: Config) -> None:
    for name in ("saturated_real", "saturated_generated"):
        probability = getattr(config.safety, name)
        check(0 <= probability <= 1, f"safety.{name}", probability, "0 to 1")
    validation = config.evaluation.num_validation
    check(validation >= 0, "evaluation.num_validation", validation, "0 (all) or more")
    for name, steps in dataclasses.asdict(config.phases).items():
        check(steps >= 0, f"phases.{name}", steps, "0 or more steps")
    check(
        config.mesh.model == 1 or config.discriminator.head == "dense",
        "mesh.model",
        config.mesh.model,
        "1, as nothing but discriminator.head = 'dense' is split",
    )
    check(0 <= config.seed < 2**32, "seed", config.seed, "0 <= seed < 2**32")
    check(0 <= config.ema_decay < 1, "ema_decay", config.ema_decay, "0 <= decay < 1")


def _check_loss(config: Config) -> None:
    loss = config.loss
    _check_name("loss.pixel", loss.pixel, PIXEL_LOSSES)
    for number, (name, weight) in enumerate(loss.terms):
        path = f"loss.terms[{number}]"
        _check_name(path, name, TERMS)
        check(0 <= weight < float("inf"), path, (name, weight), "a weight of 0 or more")
    names = [name for name, _ in loss.terms]
    check(len(set(names)) == len(names), "loss.terms", loss.terms, "each name once")
    check(
        0 <= loss.adversarial_weight < float("inf"),
        "loss.adversarial_weight",
        loss.adversarial_weight,
        "0 or more",
    )


def _check_name(path: str, name: str, known: Iterable[str]) -> None:
    options = ", ".join(map(repr, known)) or "none, as there are none"
    check(name in known, path, name, f"one of {options}")

"""A protocol as functions: what is measured, and how estimates of it are scored."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from sisr_jax.degradation import Baselines, Degradation, modality_named
from sisr_jax.evaluation.measures import body_mask, measure
from sisr_jax.evaluation.protocol import Protocol, original_of
from sisr_jax.evaluation.regions import Regions
from sisr_jax.metrics import psnr, residual, ssim
from sisr_jax.types import Image, Keys, Measurement

Scores = dict[str, dict[str, jax.Array]]


class Observation(NamedTuple):
    """What estimates are made of, and what they are compared with.

    Attributes:
        target: `[batch, height, width, 1]`, scaled as the protocol says.
        measurement: What was measured.
        side: What was measured along with it, see `Degradation.side_information`.
        mask: bool, shape of `target`.
        regions: Of the records, see there.
    """

    target: Image
    measurement: Measurement
    side: Any
    mask: Array
    regions: Regions = Regions()


def observe(
    protocol: Protocol,
    degradation: Degradation,
    baselines: Baselines,
    keys: Keys,
    hr: Image,
    regions: Regions,
) -> Observation:
    """What a protocol measures of images, and compares estimates with.

    Args:
        protocol: The protocol.
        degradation: Of its configuration.
        baselines: Likewise.
        keys: Randomness of the measurement.
        hr: Original images in [0, 1] of `protocol.window`, or what they are simulated
            from.
        regions: Of the images.
    """
    if protocol.family == "original":
        original = original_of(modality_named(protocol.modality))
        target, measurement = original.observe(degradation, baselines, keys, hr)
        side = None
    else:
        truth = degradation.truth(keys, hr)
        target = hr = degradation.target(truth)
        measurement = degradation.measure(keys, truth)
        side = degradation.side_information(truth)
    return Observation(target, measurement, side, body_mask(protocol, hr), regions)


def score(
    protocol: Protocol,
    metrics: Mapping[str, Callable[[Image, Image], Array]],
    estimates: Mapping[str, Image],
    seen: Observation,
) -> Scores:
    """Scores estimates as they come, by name.

    Args:
        protocol: The protocol.
        metrics: Further numbers, by name.
        estimates: By the name of their row.
        seen: What they are compared with.

    Returns:
        `{row: {number: [batch]}}`.
    """
    values, operator = seen.measurement

    def of_one(estimate: Image) -> dict[str, Array]:
        finished = finish(protocol, estimate)
        # Its own range has no relation to what was measured.
        compared = estimate if protocol.scale == "own" else finished
        numbers = measure(protocol, finished, seen.target, seen.mask, seen.regions)
        more = {name: of(finished, seen.target) for name, of in metrics.items()}
        numbers["residual"] = residual(operator(compared[..., 0]), values)
        return numbers | more

    # One after the other: the program is compiled once, and the memory is that
    # of one method.
    stacked = jax.lax.map(of_one, jnp.stack(list(estimates.values())))
    return {
        name: {number: values[row] for number, values in stacked.items()}
        for row, name in enumerate(estimates)
    }


def of_pictures(
    degradation: Degradation, target: Image
) -> dict[str, Callable[..., Array]]:
    """Numbers of the pictures that images are looked at as, where these differ.

    Args:
        degradation: Makes the pictures. They are compared where they show something of
            a white image.
        target: `[batch, height, width, 1]`, for its shape.

    Returns:
        Functions of estimates and targets by name; none without pictures.
    """
    if not degradation.has_pictures:
        return {}
    white = degradation.picture(jnp.ones_like(target[:1]))

    def compare(metric: Callable[..., Array], estimate: Image, target: Image) -> Array:
        pair = degradation.picture(estimate), degradation.picture(target)
        return metric(*pair, mask=white > 0.5)

    return {
        f"{metric.__name__}_picture": functools.partial(compare, metric)
        for metric in (psnr, ssim)
    }


def finish(protocol: Protocol, estimate: Image) -> Any:
    """An estimate as it is scored and shown: clipped, or as the original has it."""
    if protocol.family == "original":
        original = original_of(modality_named(protocol.modality))
        estimate = original.finish(estimate)
    return jnp.clip(estimate, 0.0, 1.0) if protocol.clip else estimate

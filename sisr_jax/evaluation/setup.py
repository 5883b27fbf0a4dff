"""A protocol as functions: what is measured, how it is estimated and scored."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from sisr_jax.config import Config
from sisr_jax.evaluation.acquisition import Acquisition
from sisr_jax.evaluation.measures import body_mask, measure, residual
from sisr_jax.evaluation.protocol import Protocol
from sisr_jax.evaluation.regions import Regions
from sisr_jax.types import Image


class Observation(NamedTuple):
    """What an estimate is made of, and what it is compared with.

    Attributes:
        target: `[batch, height, width, 1]`, scaled as the protocol says.
        measured: See `Acquisition`.
        mask: bool, shape of `target`.
        regions: Of the records, see there.
    """

    target: Image
    measured: Array
    mask: Array
    regions: Regions = Regions()


Scores = dict[str, dict[str, jax.Array]]


class Setup(NamedTuple):
    """The functions a protocol stands for; all work on batches under `jit`.

    Attributes:
        observe: Original image in [0, 1] of `protocol.window`, and its regions, to
            an observation.
        score: Estimates as they come, by name, and their observation, to
            `{row: {number: [batch]}}`.
    """

    observe: Callable[[Image, Regions], Observation]
    score: Callable[[Mapping[str, Image], Observation], Scores]


def protocol_config(config: Config, protocol: Protocol) -> Config:
    """The configuration by which images of a protocol are read and degraded."""
    data = dataclasses.replace(
        config.data,
        window=protocol.window,
        shape=protocol.shape,
        fit="exact" if protocol.crop == "none" else "crop",
    )
    degradation = config.degradation
    if protocol.modality == "us":
        degradation = dataclasses.replace(degradation, offset=protocol.offset)
    return dataclasses.replace(config, data=data, degradation=degradation)


def build_setup(protocol: Protocol, acquire: Acquisition) -> Setup:
    """Builds the functions of a protocol.

    Args:
        protocol: See `protocol_of`.
        acquire: Of the same configuration, see `acquisition`.
    """
    own = protocol.scale == "own"
    observe = _seed_observer(protocol, acquire) if own else _observer(protocol, acquire)

    def score(estimates: Mapping[str, Image], seen: Observation) -> Scores:
        def of_one(estimate: Image) -> dict[str, Array]:
            finished = finish(protocol, estimate)
            # Its own range has no relation to what was measured.
            projected = acquire(estimate if own else finished)
            values = measure(protocol, finished, seen.target, seen.mask, seen.regions)
            return {**values, "residual": residual(projected, seen.measured)}

        # One after the other: the program is compiled once, and the memory is that
        # of one method.
        stacked = jax.lax.map(of_one, jnp.stack(list(estimates.values())))
        return {
            name: {number: values[row] for number, values in stacked.items()}
            for row, name in enumerate(estimates)
        }

    return Setup(observe, score)


def finish(protocol: Protocol, estimate: Image) -> Image:
    """An estimate as it is scored and shown: clipped, or scaled by its own range.

    The original scales the CT reconstructions, but in ultrasound the acquired
    columns (see `_seed_observer`), and leaves the interpolated image.
    """
    if protocol.scale == "own" and protocol.modality == "ct":
        estimate = own_range(estimate)
    return jnp.clip(estimate, 0.0, 1.0) if protocol.clip else estimate


def own_range(images: Image) -> Image:
    """Scales each image from its own minimum and maximum to [0, 1].

    This is the original's protocol and its main flaw; nothing else uses it. A
    constant image becomes 0.
    """
    low = jnp.min(images, axis=(-3, -2, -1), keepdims=True)
    high = jnp.max(images, axis=(-3, -2, -1), keepdims=True)
    return (images - low) / jnp.where(high > low, high - low, 1.0)


def _observer(
    protocol: Protocol, acquire: Acquisition
) -> Callable[[Image, Regions], Observation]:
    return lambda hr, regions: Observation(
        hr, acquire(hr), body_mask(protocol, hr), regions
    )


def _seed_observer(
    protocol: Protocol, acquire: Acquisition
) -> Callable[[Image, Regions], Observation]:
    def observe_columns(hr: Image, regions: Regions) -> Observation:
        target = own_range(hr)
        columns = own_range(acquire(target))
        return Observation(target, columns, body_mask(protocol, hr), regions)

    def observe_views(hr: Image, regions: Regions) -> Observation:
        views = acquire.project(own_range(hr), acquire.full)
        target = own_range(acquire.reconstruct(views, acquire.full, "ramp"))
        kept = views[..., :: protocol.factor, :]
        return Observation(target, kept, body_mask(protocol, hr), regions)

    return observe_columns if protocol.modality == "us" else observe_views

"""Training and evaluation pairs of a configuration, made on the device."""

from collections.abc import Callable

import jax.numpy as jnp

from sisr_jax.config import Augmentation, Config, LateralDecimation, SparseViewCT
from sisr_jax.degradation.acquisition import Degradation
from sisr_jax.degradation.ct import sparse_view_ct
from sisr_jax.degradation.ultrasound import lateral_decimation
from sisr_jax.image.patches import flip_and_rotate, random_crop
from sisr_jax.random import Stream, per_example, stream
from sisr_jax.tomography import ParallelBeam
from sisr_jax.types import Batch, Image, Key, Pair

PairMaker = Callable[[Degradation, Key, Batch], Pair]


def build(config: Config) -> Degradation:
    """The degradation that a configuration names, for images of `data.shape`."""
    degradation = config.degradation
    if isinstance(degradation, SparseViewCT):
        return sparse_view_ct(
            sparse_beam(config),
            filter_name=degradation.filter_name,
            method=degradation.method,
            weights=degradation.weights,
        )
    return lateral_decimation(degradation.factor, degradation.offset)


def sparse_beam(config: Config) -> ParallelBeam:
    """Geometry of the kept views of a sparse-view CT configuration."""
    degradation = config.degradation
    if not isinstance(degradation, SparseViewCT):
        raise ValueError(f"{degradation.kind} has no projection geometry")
    beam = ParallelBeam(size=config.data.shape[0], num_angles=degradation.num_angles)
    return beam.every(degradation.factor)


def training_pairs(config: Config) -> PairMaker:
    """How training pairs are made: symmetries, degradation, aligned crops.

    CT degrades the full slice and then crops both images at the same place,
    because a streak reaches across the whole slice. Ultrasound crops first:
    its columns do not mix.

    Returns:
        A function `(degrade, root key, batch)` to a `Pair` of `data.patch` images. Each
        example's randomness follows from its index in the data stream.
    """
    augment = _augmentation(config.augmentation)
    patch = config.data.patch
    crop_first = isinstance(config.degradation, LateralDecimation)

    def pairs(degrade: Degradation, key: Key, batch: Batch) -> Pair:
        degrade_keys = per_example(stream(key, Stream.DEGRADE), batch.index)
        crop_keys = per_example(stream(key, Stream.CROP), batch.index)
        hr = augment(key, batch)
        if crop_first:
            (hr,) = random_crop(crop_keys, (hr,), patch)
            return Pair(hr=hr, degraded=degrade(degrade_keys, hr))
        images = (hr, degrade(degrade_keys, hr))
        return Pair(*random_crop(crop_keys, images, patch))

    return pairs


def evaluation_pairs(config: Config) -> PairMaker:
    """Pairs of whole, unturned images.

    Returns:
        A function `(degrade, root key, batch)` to a `Pair` of `data.shape` images.
    """

    def pairs(degrade: Degradation, key: Key, batch: Batch) -> Pair:
        keys = per_example(stream(key, Stream.DEGRADE), batch.index)
        return Pair(hr=batch.hr, degraded=degrade(keys, jnp.asarray(batch.hr)))

    return pairs


def _augmentation(config: Augmentation) -> Callable[[Key, Batch], Image]:
    def augment(key: Key, batch: Batch) -> Image:
        keys = per_example(stream(key, Stream.AUGMENT), batch.index)
        return flip_and_rotate(
            keys,
            batch.hr,
            horizontal=config.flip_horizontal,
            vertical=config.flip_vertical,
            rotate=config.rotate,
        )

    return augment

"""Training and evaluation examples of a configuration, made on the device."""

import jax
import jax.numpy as jnp

from sisr_jax.config import Augmentation, Config
from sisr_jax.degradation import Degradation, modality_of
from sisr_jax.image.patches import flip_and_rotate, random_crop
from sisr_jax.random import Stream, per_example, stream
from sisr_jax.types import Batch, Example, Image, Key


def training_example(
    config: Config, degradation: Degradation, key: Key, batch: Batch
) -> Example:
    """Degraded images to learn from: symmetries, degradation, aligned crops.

    Where columns do not mix, a crop is degraded by itself. Elsewhere the whole image
    is, and both are cropped at the same place; a crop has no measurement of its own, so
    that networks that ask for it need `data.patch = data.shape`, which crops nothing.

    Where the images are to be simulated, they are so before all that.

    Each example's randomness follows from its index in the data stream.

    Args:
        config: Augmentation, patch and degradation.
        degradation: Of that configuration.
        key: Root key.
        batch: High-resolution images.
    """
    degrade_keys = per_example(stream(key, Stream.DEGRADE), batch.index)
    crop_keys = per_example(stream(key, Stream.CROP), batch.index)
    images, patch = _augmented(config.augmentation, key, batch), config.data.patch
    hr = degradation.truth(degrade_keys, images)
    if patch == config.data.shape:
        return _example(degradation, degrade_keys, hr)
    if modality_of(config).crops_first:
        (hr,) = random_crop(crop_keys, (hr,), patch)
        return _example(degradation, degrade_keys, hr)
    images = (hr, degradation(degrade_keys, hr))
    return Example(*random_crop(crop_keys, images, patch), measurement=None)


def evaluation_example(degradation: Degradation, key: Key, batch: Batch) -> Example:
    """Whole, unturned images, or what is simulated from them, degraded.

    Args:
        degradation: Of the configuration.
        key: Root key; each image's randomness follows from its index in the split.
        batch: High-resolution images.
    """
    keys = per_example(stream(key, Stream.DEGRADE), batch.index)
    return _example(degradation, keys, degradation.truth(keys, jnp.asarray(batch.hr)))


def _example(degradation: Degradation, keys: jax.Array, hr: Image) -> Example:
    measurement = degradation.measure(keys, hr)
    return Example(hr, degradation.estimate(measurement), measurement)


def _augmented(config: Augmentation, key: Key, batch: Batch) -> Image:
    return flip_and_rotate(
        per_example(stream(key, Stream.AUGMENT), batch.index),
        batch.hr,
        horizontal=config.flip_horizontal,
        vertical=config.flip_vertical,
        rotate=config.rotate,
    )

"""Training and evaluation examples of a configuration, made on the device."""

import jax
import jax.numpy as jnp

from sisr_jax.config import Augmentation, Config, Data
from sisr_jax.degradation import Degradation, modality_of
from sisr_jax.image.patches import flip_and_rotate, random_crop
from sisr_jax.random import Stream, per_example, stream
from sisr_jax.types import Batch, Example, Image, Key, Keys, Truth


def training_example(
    config: Config, degradation: Degradation, key: Key, batch: Batch
) -> Example:
    """Degraded images to learn from: symmetries, degradation, aligned crops.

    Where columns do not mix, a crop is degraded by itself. Elsewhere the whole image
    is, and both are cropped at the same place; a crop has no measurement of its own, so
    that networks that ask for it need `data.patch = data.shape`, which crops nothing.

    Several crops of an image follow each other. Whatever their number, the first is the
    same, and an image that is degraded whole is so once.

    Where the images are to be simulated, they are so before all that.

    Each example's randomness follows from its index in the data stream, and from the
    number of the crop, by keys of their own: a degradation folds numbers into its own.

    Args:
        config: Augmentation, crops and degradation.
        degradation: Of that configuration.
        key: Root key.
        batch: High-resolution images.
    """
    degrade_keys = per_example(stream(key, Stream.DEGRADE), batch.index)
    images = _augmented(config.augmentation, key, batch)
    truth = degradation.truth(degrade_keys, images)
    if config.data.patch == config.data.shape:
        return _example(degradation, degrade_keys, truth)
    if modality_of(config).crops_first:
        (truth,) = _crops(config.data, key, batch, (truth,))
        keys = _keys_of_crops(config.data, key, Stream.DEGRADE, batch)
        return _example(degradation, jnp.stack(keys, 1).reshape(-1), truth)
    images = (degradation.target(truth), degradation(degrade_keys, truth))
    return Example(*_crops(config.data, key, batch, images), measurement=None)


def evaluation_example(degradation: Degradation, key: Key, batch: Batch) -> Example:
    """Whole, unturned images, or what is simulated from them, degraded.

    Args:
        degradation: Of the configuration.
        key: Root key; each image's randomness follows from its index in the split.
        batch: High-resolution images.
    """
    keys = per_example(stream(key, Stream.DEGRADE), batch.index)
    return _example(degradation, keys, degradation.truth(keys, jnp.asarray(batch.hr)))


def _crops(
    config: Data, key: Key, batch: Batch, images: tuple[Image, ...]
) -> tuple[Image, ...]:
    """Crops at the same places of all images, those of one image in a row."""
    keys = jnp.stack(_keys_of_crops(config, key, Stream.CROP, batch))
    cuts = jax.vmap(lambda each: random_crop(each, images, config.patch), out_axes=1)(
        keys
    )
    return tuple(each.reshape(-1, *each.shape[2:]) for each in cuts)


def _keys_of_crops(config: Data, key: Key, name: Stream, batch: Batch) -> list[Keys]:
    """For each number of a crop, keys of the images; of the first those of one each."""
    numbers = range(config.crops_per_image)
    return [per_example(stream(key, name, n), batch.index) for n in numbers]


def _example(degradation: Degradation, keys: jax.Array, truth: Truth) -> Example:
    measurement = degradation.measure(keys, truth)
    return Example(
        degradation.target(truth),
        degradation.estimate(measurement),
        measurement,
        degradation.side_information(truth),
    )


def _augmented(config: Augmentation, key: Key, batch: Batch) -> Image:
    return flip_and_rotate(
        per_example(stream(key, Stream.AUGMENT), batch.index),
        batch.hr,
        horizontal=config.flip_horizontal,
        vertical=config.flip_vertical,
        rotate=config.rotate,
    )

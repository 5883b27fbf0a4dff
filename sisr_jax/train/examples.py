"""Training and evaluation examples of a configuration, made on the device."""

import jax
import jax.numpy as jnp

from sisr_jax.config import Augmentation, Config, Data
from sisr_jax.degradation import Degradation, modality_of
from sisr_jax.image.patches import flip_and_rotate, random_crop
from sisr_jax.random import Stream, per_example, stream
from sisr_jax.types import Batch, Example, Image, Key, Keys


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
    number of the crop.

    Args:
        config: Augmentation, crops and degradation.
        degradation: Of that configuration.
        key: Root key.
        batch: High-resolution images.
    """
    degrade_keys = per_example(stream(key, Stream.DEGRADE), batch.index)
    crop_keys = per_example(stream(key, Stream.CROP), batch.index)
    images = _augmented(config.augmentation, key, batch)
    hr = degradation.truth(degrade_keys, images)
    if config.data.patch == config.data.shape:
        return _example(degradation, degrade_keys, hr)
    if modality_of(config).crops_first:
        (hr,) = _crops(config.data, crop_keys, (hr,))
        numbers = range(config.data.crops_per_image)
        keys = jnp.stack([_key_of_crop(degrade_keys, n) for n in numbers], 1)
        return _example(degradation, keys.reshape(-1), hr)
    images = (hr, degradation(degrade_keys, hr))
    return Example(*_crops(config.data, crop_keys, images), measurement=None)


def evaluation_example(degradation: Degradation, key: Key, batch: Batch) -> Example:
    """Whole, unturned images, or what is simulated from them, degraded.

    Args:
        degradation: Of the configuration.
        key: Root key; each image's randomness follows from its index in the split.
        batch: High-resolution images.
    """
    keys = per_example(stream(key, Stream.DEGRADE), batch.index)
    return _example(degradation, keys, degradation.truth(keys, jnp.asarray(batch.hr)))


def _crops(config: Data, keys: Keys, images: tuple[Image, ...]) -> tuple[Image, ...]:
    """Crops at the same places of all images, those of one image in a row."""
    cuts = [
        random_crop(_key_of_crop(keys, number), images, config.patch)
        for number in range(config.crops_per_image)
    ]
    return tuple(
        jnp.stack(each, 1).reshape(-1, *each[0].shape[1:])
        for each in zip(*cuts, strict=True)
    )


def _key_of_crop(keys: Keys, number: int) -> Keys:
    return (
        jax.vmap(lambda key: jax.random.fold_in(key, number))(keys) if number else keys
    )


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

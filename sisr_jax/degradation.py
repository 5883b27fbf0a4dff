"""Why the low resolution is low: the acquisition models, as pure functions.

A degradation maps `(key, hr[batch, height, width, 1])` to the degraded image
on the same intensity scale. The ones here draw nothing from the key; it is in
the signature because acquisition noise does. Training pairs are made from it
inside the compiled step, so the high-resolution image is all that crosses to
the device and nothing is computed ahead on disk.
"""

from collections.abc import Callable

import jax.numpy as jnp

from sisr_jax.config import Augmentation, Config, LateralDecimation, SparseViewCT
from sisr_jax.image.patches import flip_and_rotate, random_crop
from sisr_jax.random import Stream, per_example, stream
from sisr_jax.tomography import ParallelBeam, fbp, radon
from sisr_jax.types import Batch, DegradedImage, Image, Key, Pair
from sisr_jax.ultrasound import decimate_columns

Degradation = Callable[[Key, Image], DegradedImage]
PairMaker = Callable[[Key, Batch], Pair]


def sparse_view_ct(
    beam: ParallelBeam, *, filter_name: str | None = "ramp"
) -> Degradation:
    """Sparse-view CT: project along the views of `beam`, then back-project.

    Projecting only the kept views equals projecting all and dropping the rest,
    at a fraction of the work: pass `ParallelBeam(...).every(factor)`.

    Args:
        beam: Geometry of the kept views; its size is the image side.
        filter_name: Filter of the back-projection, see `tomography.fbp`.

    Returns:
        A function `(key, hr[batch, size, size, 1])` to an image of that shape.
        Streaks leave the range [0, 1]; nothing is clipped.
    """

    def degrade(key: Key, hr: Image) -> Image:
        del key
        sinogram = radon(hr[..., 0], beam)
        return fbp(sinogram, beam, filter_name=filter_name)[..., None]

    return degrade


def lateral_decimation(factor: int = 4, offset: int = 0) -> Degradation:
    """Ultrasound with fewer scan lines: keep every `factor`-th column.

    Args:
        factor: Columns for each kept one; must divide the width.
        offset: First kept column, `0 <= offset < factor`.

    Returns:
        A function `(key, hr[batch, height, width, 1])` to
        `[batch, height, width // factor, 1]`.
    """

    def degrade(key: Key, hr: Image) -> DegradedImage:
        del key
        return decimate_columns(hr[..., 0], factor=factor, offset=offset)[..., None]

    return degrade


def build(config: Config) -> Degradation:
    """The degradation that a configuration names, for images of `data.shape`."""
    degradation = config.degradation
    if isinstance(degradation, SparseViewCT):
        return sparse_view_ct(sparse_beam(config), filter_name=degradation.filter_name)
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
        A function `(root key, batch)` to a `Pair` of `data.patch` images. Each
        example's randomness follows from its index in the data stream.
    """
    degrade = build(config)
    augment = _augmentation(config.augmentation)
    patch = config.data.patch
    crop_first = isinstance(config.degradation, LateralDecimation)

    def pairs(key: Key, batch: Batch) -> Pair:
        degrade_key = stream(key, Stream.DEGRADE, batch.index[0])
        crop_keys = per_example(stream(key, Stream.CROP), batch.index)
        hr = augment(key, batch)
        if crop_first:
            (hr,) = random_crop(crop_keys, (hr,), patch)
            return Pair(hr=hr, degraded=degrade(degrade_key, hr))
        images = (hr, degrade(degrade_key, hr))
        return Pair(*random_crop(crop_keys, images, patch))

    return pairs


def evaluation_pairs(config: Config) -> PairMaker:
    """Pairs of whole, unturned images.

    Returns:
        A function `(root key, batch)` to a `Pair` of `data.shape` images.
    """
    degrade = build(config)

    def pairs(key: Key, batch: Batch) -> Pair:
        key = stream(key, Stream.DEGRADE, batch.index[0])
        return Pair(hr=batch.hr, degraded=degrade(key, jnp.asarray(batch.hr)))

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

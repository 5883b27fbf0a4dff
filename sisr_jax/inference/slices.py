"""Images and sinograms of a user, in physical units, through a restorer and back."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sisr_jax.config import Config
from sisr_jax.data.formats.sinogram import MeasuredSinogram
from sisr_jax.data.transforms import from_unit_range, to_unit_range
from sisr_jax.degradation import Degradation, modality_of
from sisr_jax.errors import InputError
from sisr_jax.inference.restorer import Restored, Restorer
from sisr_jax.inference.trained_for import (
    check_columns,
    check_simulation,
    check_sinogram,
    check_units,
    check_views,
    config_of,
)
from sisr_jax.metrics import psnr, ssim
from sisr_jax.metrics.structural import SSIM_WINDOW
from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.recovered_views import recover_views
from sisr_jax.reconstruction.starts import linear_estimate
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from sisr_jax.tomography.noise import WATER_PER_MM
from sisr_jax.ultrasound import LateralDecimation

# Images of a device in a call; so many are always computed of a stack.
_TOGETHER = 4
# Share of an image that may not come from the views that it is said to be of.
_MISMATCH = 0.02
# Share of a complete image, or of its columns, that may lie outside of the window.
_CLIPPED = 0.01
# Of a degraded image: around zero, half of what surrounds the body is below the window.
_MOST_OUTSIDE = 0.9
# Of a measurement of nothing, which has no largest value.
_LEAST = 1e-6
_recover_views = jax.jit(recover_views)


class Restoration(NamedTuple):
    """What is known of a restored image; images are `[height, width]`.

    Attributes:
        first: The linear reconstruction of the measurement, in [0, 1].
        image: The restored image, in [0, 1].
        null_space: What of it the measurement does not determine, see
            `reconstruction.null_space`.
        half_width: Of its interval; None where the weights have no calibration.
        unexplained: What the measurement has and that of the image has not, `[views,
            detectors]` or `[height, lines]`, over the largest measured value.
        truth: The complete image where it is known, else None.
    """

    first: np.ndarray
    image: np.ndarray
    null_space: np.ndarray
    half_width: np.ndarray | None
    unexplained: np.ndarray
    truth: np.ndarray | None = None


class Outcome(NamedTuple):
    """What became of some images.

    Attributes:
        images: Restored, float32 `[images, height, width]`, in physical units.
        numbers: A dictionary for each image: of a measurement, `residual`; against a
            complete image, `psnr` and `ssim` of the result and, with `_fbp`, of the
            back-projection.
        middle: Computes what is known of the middle image; None where nothing was
            measured.
    """

    images: np.ndarray
    numbers: list[dict[str, float]]
    middle: Callable[[], Restoration] | None = None


def simulate(
    restorer: Restorer, images: np.ndarray, *, factor: int, clipped: float = _CLIPPED
) -> Outcome:
    """Measures complete images as in training, restores them, and scores that.

    A slice of CT stands in the middle of a square of air. Where the factor does not
    divide the width, the last column that is measured stands for those beyond.

    Args:
        restorer: One of `load`.
        images: Physical values (HU), `[images, height, width]`.
        factor: Keep every so many-th view, or column.
        clipped: Greatest share of an image that may lie outside the window.

    Raises:
        InputError: If the restorer was not trained for so many views, or more than that
            share of an image would be lost.
    """
    config = config_of(restorer)
    window = config.data.window
    check_units(restorer, images, clipped)
    check_simulation(restorer, factor)
    target, inside = _placed(config, to_unit_range(images, window), factor)
    rows, columns = target.shape[1:]
    degradation = _degradation(config, (rows, columns), factor)
    restored, numbers, middle = [], [], None
    for number, part in enumerate(_parts(target)):
        key = jax.random.fold_in(jax.random.key(config.seed), number)
        measured = degradation.measure(key, part[..., None])
        first = jnp.clip(degradation.estimate(measured), 0, 1)
        found = restorer(measurement=measured.values, operator=measured.operator)
        restored.append(np.asarray(found.image))
        truth, image = part[inside][..., None], found.image[inside][..., None]
        scores = {"residual": found.residual, **_scores(image, truth)}
        if first.shape[1:3] == (rows, columns):
            scores |= _scores(first[inside], truth, "_fbp")
        numbers += _rows(scores)
        index = len(images) // 2 - number * len(part)
        if 0 <= index < len(part):
            middle = functools.partial(_restoration, found, index, inside[1:], part)
    whole = np.concatenate(restored)[: len(images)]
    whole = from_unit_range(whole[inside], window)
    return Outcome(whole, numbers[: len(images)], middle)


def restore_images(restorer: Restorer, images: np.ndarray) -> Outcome:
    """Restores degraded images by a network that looks at nothing else.

    Args:
        restorer: One of `load`.
        images: Physical values, `[images, height, width]`: reconstructions from few
            views, or the columns that are left.

    Raises:
        InputError: If nearly all of an image is outside the window.
    """
    config = config_of(restorer)
    check_units(restorer, images, _MOST_OUTSIDE)
    low, high = config.data.window
    # What a first estimate has outside of the window tells the network of it.
    scaled = (images.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    restored = [np.asarray(restorer(part)) for part in _parts(scaled)]
    whole = np.concatenate(restored)[: len(images)]
    return Outcome(from_unit_range(whole, (low, high)), [{} for _ in images])


def restore_back_projections(
    restorer: Restorer, images: np.ndarray, *, num_angles: int, factor: int = 1
) -> Outcome:
    """Restores slices of which only the back-projection from few views is there.

    Args:
        restorer: For CT.
        images: Physical values, `[images, size, size]`, with the ramp filter.
        num_angles: Views of a complete scan over 180 degrees.
        factor: Every so many-th of them was measured.

    Raises:
        InputError: If the restorer was not trained for so many views, or an image is no
            back-projection of these.
    """
    height, width = images.shape[1:]
    if height != width:
        raise InputError(f"{height}x{width}: expected square slices for --views")
    config = config_of(restorer)
    check_units(restorer, images, _MOST_OUTSIDE)
    low, high = config.data.window
    beam = ParallelBeam(width, num_angles).every(factor)
    check_views(restorer, beam.num_angles)
    operator = _operator(beam)
    scaled = (images.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    found = [_recover_views(part, operator) for part in _parts(scaled)]
    views, mismatch = (
        np.concatenate(each)[: len(images)] for each in zip(*found, strict=True)
    )
    if mismatch.max() > _MISMATCH:
        raise InputError(
            f"{100 * mismatch.max():.2g} % of the image cannot come from "
            f"{beam.num_angles} views: expected a back-projection of these with the "
            "ramp filter, not clipped"
        )
    return restore_sinogram(restorer, MeasuredSinogram(views, beam, None))


def restore_sinogram(restorer: Restorer, measured: MeasuredSinogram) -> Outcome:
    """Restores slices from views that somebody measured.

    Args:
        restorer: For CT.
        measured: The views.

    Raises:
        InputError: If the restorer was not trained for views, or not for so many.
    """
    config = config_of(restorer)
    check_sinogram(restorer)
    window, size = config.data.window, measured.beam.size
    check_views(restorer, measured.beam.num_angles)
    operator = _operator(measured.beam)
    views = measured.values
    if measured.pixel_mm is not None:
        # Attenuation is affine in HU, and 0 at -1000.
        water = WATER_PER_MM * measured.pixel_mm
        air = operator(jnp.full((size, size), water * (1 + window[0] / 1000)))
        views = (views - np.asarray(air)) / (water * (window[1] - window[0]) / 1000)
    return _restored(restorer, views, operator)


def restore_columns(
    restorer: Restorer, images: np.ndarray, *, factor: int, offset: int = 0
) -> Outcome:
    """Restores frames of which every `factor`-th column is there.

    Args:
        restorer: For columns.
        images: The columns in physical units, `[images, height, columns]`.
        factor: Columns of the frame for each that is there.
        offset: Index of the first that is there, `0 <= offset < factor`.

    Raises:
        InputError: If the restorer is for something else, or other factors, or an
            image lies outside of its window.
    """
    check_columns(restorer, factor)
    check_units(restorer, images, _CLIPPED)
    columns = to_unit_range(images, config_of(restorer).data.window)
    return _restored(restorer, columns, LateralDecimation(factor, offset))


def _restored(
    restorer: Restorer, measured: np.ndarray, operator: LinearOperator
) -> Outcome:
    """Of measurements in units of the window, some at a time."""
    restored, numbers, middle = [], [], None
    for number, part in enumerate(_parts(measured)):
        found = restorer(measurement=part, operator=operator)
        restored.append(np.asarray(found.image))
        numbers += _rows({"residual": found.residual})
        index = len(measured) // 2 - number * len(part)
        if 0 <= index < len(part):
            middle = functools.partial(_restoration, found, index, np.s_[:, :])
    whole = np.concatenate(restored)[: len(measured)]
    window = config_of(restorer).data.window
    return Outcome(from_unit_range(whole, window), numbers[: len(measured)], middle)


def _restoration(
    found: Restored, index: int, inside: Any, truth: jax.Array | None = None
) -> Restoration:
    """What is known of one image of a batch, the part `inside`."""
    one = dataclasses.replace(
        found, image=found.image[index], measurement=found.measurement[index]
    )
    half = None
    if one.interval_multiple is not None:
        lower, upper = one.interval
        half = np.asarray((upper - lower) / 2)[inside]
    largest = jnp.maximum(jnp.max(jnp.abs(one.measurement)), _LEAST)
    first = jnp.clip(linear_estimate(one.measurement, one.operator), 0, 1)
    return Restoration(
        np.asarray(first)[inside],
        np.asarray(one.image)[inside],
        np.asarray(one.null_space)[inside],
        half,
        np.asarray(one.unexplained / largest),
        None if truth is None else np.asarray(truth[index])[inside],
    )


def _placed(config: Config, images: np.ndarray, factor: int) -> tuple[np.ndarray, Any]:
    """Images of a size that can be measured, and where the given ones are in them."""
    section, (height, width) = config.degradation.every(factor), images.shape[1:]
    if not section.of_square:
        last, step = section.last_kept(width), section.width_factor
        if last < 0:
            raise InputError(f"{height}x{width}: too narrow, no column is measured")
        missing = -width % step
        # Columns that were not measured must not come back with those on their right.
        more = np.repeat(images[..., last : last + 1], missing, -1)
        return np.concatenate([images, more], -1), np.s_[:, :, :width]
    size = max(height, width)
    top, left = (size - height) // 2, (size - width) // 2
    inside = np.s_[:, top : top + height, left : left + width]
    square = np.zeros((len(images), size, size), np.float32)
    square[inside] = images
    return square, inside


@functools.lru_cache(maxsize=4)
def _degradation(config: Config, shape: tuple[int, int], factor: int) -> Degradation:
    data = dataclasses.replace(config.data, shape=shape, patch=shape)
    section = config.degradation.every(factor)
    section.check(data)
    config = dataclasses.replace(config, data=data, degradation=section)
    return modality_of(config).degrade(config)


@functools.lru_cache(maxsize=4)
def _operator(beam: ParallelBeam) -> ParallelBeamCT:
    return ParallelBeamCT(beam)


def _scores(image: jax.Array, truth: jax.Array, suffix: str = "") -> dict:
    """PSNR, and SSIM of images that are large enough for it."""
    scores = {f"psnr{suffix}": psnr(image, truth)}
    if min(image.shape[1:3]) >= SSIM_WINDOW:
        scores[f"ssim{suffix}"] = ssim(image, truth)
    return scores


def _parts(images: np.ndarray) -> list[jax.Array]:
    """One image, or a few at a time, the last part filled up: two programs in all."""
    if len(images) == 1:
        return [jnp.asarray(images)]
    devices = len(jax.local_devices())
    step = devices * min(_TOGETHER, math.ceil(len(images) / devices))
    missing = -len(images) % step
    padded = np.concatenate([images, np.repeat(images[-1:], missing, 0)])
    return [jnp.asarray(padded[i : i + step]) for i in range(0, len(padded), step)]


def _rows(columns: dict) -> list[dict[str, float]]:
    values = {name: np.asarray(each).tolist() for name, each in columns.items()}
    return [
        dict(zip(values, row, strict=True))
        for row in zip(*values.values(), strict=True)
    ]

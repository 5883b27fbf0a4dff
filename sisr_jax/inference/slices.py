"""Slices and sinograms of a user, in physical units, through a restorer and back."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sisr_jax.data.formats.sinogram import MeasuredSinogram
from sisr_jax.data.transforms import from_unit_range, to_unit_range
from sisr_jax.errors import InputError
from sisr_jax.inference.restorer import Restorer
from sisr_jax.metrics import psnr, ssim
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from sisr_jax.tomography.noise import WATER_PER_MM

# Views of the complete scan of which a simulation keeps some, as in the benchmarks.
FULL_VIEWS = 1000
# Images in a call, whose memory they share; so many are always computed of a stack.
_TOGETHER = 4
# Every network of this package halves its images at most so many times.
_MULTIPLE = 16


class Outcome(NamedTuple):
    """What became of some images.

    Attributes:
        images: Restored, float32 `[images, height, width]`, in physical units.
        numbers: A dictionary for each image: `residual`, and against a complete image
            `psnr` and `ssim` of the result and, with `_fbp`, of the back-projection.
    """

    images: np.ndarray
    numbers: list[dict[str, float]]


def simulate(
    restorer: Restorer, images: np.ndarray, *, factor: int, clipped: float = 0.01
) -> Outcome:
    """Restores complete slices from every `factor`-th of 1000 views, and scores them.

    A slice stands in the middle of a square of air.

    Args:
        restorer: For sparse-view CT.
        images: Physical values (HU), `[images, height, width]`.
        factor: Keep every so many-th view.
        clipped: Greatest share of an image that may lie outside the window.

    Raises:
        InputError: If the restorer was not trained for so many views, or more than that
            share of an image would be lost.
    """
    window = _window(restorer)
    outside = ((images < window[0] - 100) | (images > window[1])).mean((1, 2))
    if outside.max() > clipped:
        raise InputError(
            f"{100 * outside.max():.0f} % of the pixels lie outside of {window} HU, "
            "what the weights were trained for: values in other units?"
        )
    height, width = images.shape[1:]
    size = -(-max(height, width) // _MULTIPLE) * _MULTIPLE
    operator = _operator(ParallelBeam(size, FULL_VIEWS).every(factor))
    check_views(restorer, operator)
    top, left = (size - height) // 2, (size - width) // 2
    inside = np.s_[:, top : top + height, left : left + width]
    target = np.zeros((len(images), size, size), np.float32)
    target[inside] = to_unit_range(images, window)
    restored, numbers = [], []
    for part in _parts(target):
        measured = operator(part)
        first = jnp.clip(operator.fbp(measured), 0, 1)
        found = restorer(measurement=measured, operator=operator)
        restored.append(np.asarray(found.image))
        truth = part[inside][..., None]
        columns = {
            "residual": found.residual,
            "psnr": psnr(found.image[inside][..., None], truth),
            "ssim": ssim(found.image[inside][..., None], truth),
            "psnr_fbp": psnr(first[inside][..., None], truth),
            "ssim_fbp": ssim(first[inside][..., None], truth),
        }
        numbers += _rows(columns)
    whole = np.concatenate(restored)[: len(images)]
    return Outcome(from_unit_range(whole[inside], window), numbers[: len(images)])


def restore_sinogram(restorer: Restorer, measured: MeasuredSinogram) -> Outcome:
    """Restores slices from views that somebody measured.

    Args:
        restorer: For sparse-view CT.
        measured: The views.

    Raises:
        InputError: If the restorer was not trained for so many views, or the size of
            the image does not suit its network.
    """
    window = _window(restorer)
    size = measured.beam.size
    if size % _MULTIPLE:
        raise InputError(f"size = {size}: expected a multiple of {_MULTIPLE}")
    operator = _operator(measured.beam)
    check_views(restorer, operator)
    views = measured.values
    if measured.pixel_mm is not None:
        # Attenuation is affine in HU, and 0 at -1000.
        water = WATER_PER_MM * measured.pixel_mm
        air = operator(jnp.full((size, size), water * (1 + window[0] / 1000)))
        views = (views - np.asarray(air)) / (water * (window[1] - window[0]) / 1000)
    restored, numbers = [], []
    for part in _parts(views):
        found = restorer(measurement=part, operator=operator)
        restored.append(np.asarray(found.image))
        numbers += _rows({"residual": found.residual})
    whole = np.concatenate(restored)[: len(views)]
    return Outcome(from_unit_range(whole, window), numbers[: len(views)])


def check_views(restorer: Restorer, operator: ParallelBeamCT) -> None:
    """Refuses a number of views that weights were not trained for.

    Raises:
        InputError: If the card of the restorer says so.
    """
    fewest, most = restorer.card["views"]
    views = operator.range_shape[0]
    if not fewest <= views <= most:
        raise InputError(f"{views} views: these weights are for {fewest} to {most}")


def _window(restorer: Restorer) -> tuple[float, float]:
    low, high = restorer.card["window_hu"]
    return low, high


@functools.lru_cache(maxsize=4)
def _operator(beam: ParallelBeam) -> ParallelBeamCT:
    return ParallelBeamCT(beam)


def _parts(images: np.ndarray) -> list[jax.Array]:
    """One image, or a few at a time, the last part filled up: two programs in all."""
    if len(images) == 1:
        return [jnp.asarray(images)]
    missing = -len(images) % _TOGETHER
    padded = np.concatenate([images, np.repeat(images[-1:], missing, 0)])
    count = len(padded)
    return [jnp.asarray(padded[i : i + _TOGETHER]) for i in range(0, count, _TOGETHER)]


def _rows(columns: dict) -> list[dict[str, float]]:
    values = {name: np.asarray(each).tolist() for name, each in columns.items()}
    return [
        dict(zip(values, row, strict=True))
        for row in zip(*values.values(), strict=True)
    ]

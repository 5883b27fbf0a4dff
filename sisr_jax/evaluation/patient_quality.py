"""Noise, transfer and bias of reconstructions of patients against their references.

Patients have no discs and no uniform water, so everything is measured of pairs. The
body is the largest connected part above -500 HU, its holes filled. It is cut into
square blocks; of those of the reference that lie in the body and have their mean in a
range of HU, the quarter with the smallest standard deviation counts as uniform. Blocks
of 32 pixels in soft tissue give the noise of the difference, of 8 pixels the bias.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy import ndimage

from sisr_jax.evaluation.quality_report import (
    NOISE_POWER,
    TRANSFER,
    Number,
    Quality,
)
from sisr_jax.metrics import (
    Curve,
    half_frequency,
    mean_frequency,
    noise_power_spectrum,
    radial_mean,
    regional_bias,
    spectral_transfer,
)

_BODY_ABOVE_HU = -500.0
# Ranges of the mean of a block, in HU.
TISSUES = {
    "lung": (-950.0, -600.0),
    "soft tissue": (-100.0, 150.0),
    "bone": (200.0, 2000.0),
}
_NOISE_BLOCK, _BIAS_BLOCK = 32, 8
_SHARE = 0.25
_NUM_BINS = 32
_transfer = jax.jit(spectral_transfer, static_argnames=("pixel_mm", "num_bins"))


class SliceQuality(NamedTuple):
    """What one slice contributes.

    Attributes:
        differences: Image minus reference in uniform soft tissue, `[blocks, 32, 32]`.
        bias: Mean difference by tissue; NaN where there is no uniform block.
        transfer: See `spectral_transfer`.
    """

    differences: np.ndarray
    bias: dict[str, float]
    transfer: Curve


def slice_quality(
    image: np.ndarray, reference: np.ndarray, *, pixel_mm: float
) -> SliceQuality:
    """Measures a slice against its reference.

    Args:
        image: `[height, width]` in HU, both at least 64.
        reference: Same shape.
        pixel_mm: Width of a pixel.
    """
    body, difference = _body(reference), image - reference
    bias = {}
    for name, tissue in TISSUES.items():
        where = _uniform(reference, body, tissue, size=_BIAS_BLOCK)
        blocks = _blocks(difference, _BIAS_BLOCK)[where]
        bias[name] = float(blocks.mean()) if len(blocks) else np.nan
    found = _transfer(
        image[None], reference[None], pixel_mm=pixel_mm, num_bins=_NUM_BINS
    )
    return SliceQuality(
        uniform_soft_tissue(difference, reference),
        bias,
        Curve(np.asarray(found.frequencies), np.asarray(found.transfer)),
    )


def uniform_soft_tissue(plane: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Blocks of a plane where its reference is uniform soft tissue.

    Args:
        plane: `[height, width]`: an image, or its difference from the reference.
        reference: Same shape, in HU.

    Returns:
        `[blocks, 32, 32]`.
    """
    body, tissue = _body(reference), TISSUES["soft tissue"]
    where = _uniform(reference, body, tissue, size=_NOISE_BLOCK)
    return _blocks(plane, _NOISE_BLOCK)[where]


def patient_quality(slices: Sequence[SliceQuality], *, pixel_mm: float) -> Quality:
    """Sums slices up.

    The blocks of a slice share its errors, so the standard errors are between slices.
    """
    differences = np.concatenate([each.differences for each in slices])
    noise, power = np.nan, Curve(np.zeros(0), np.zeros(0))
    if len(differences):
        spectrum = noise_power_spectrum(differences, pixel_mm=pixel_mm)
        noise = float(np.sqrt(np.mean(spectrum)) / pixel_mm)
        power = radial_mean(spectrum, pixel_mm=pixel_mm, num_bins=_NOISE_BLOCK // 2)
    frequency = float(mean_frequency(power)) if len(differences) else np.nan
    curves = np.stack([each.transfer.values for each in slices])
    frequencies = slices[0].transfer.frequencies
    halves = np.asarray(half_frequency(Curve(frequencies, curves)))
    transfer = Curve(frequencies, curves.mean(0))
    blocks = len(differences)
    numbers = [
        Number("noise of the difference", "HU", noise, count=blocks),
        Number("its mean frequency", "cycles/mm", frequency, count=blocks),
        Number(
            "f50 of the transfer",
            "cycles/mm",
            float(half_frequency(transfer)),
            _error(halves),
            len(slices),
        ),
    ]
    for name in TISSUES:
        known = np.array([s.bias[name] for s in slices if np.isfinite(s.bias[name])])
        numbers.append(_bias(f"bias, {name}", known))
    return Quality(tuple(numbers), {NOISE_POWER: power, TRANSFER: transfer})


def _bias(quantity: str, means: np.ndarray) -> Number:
    if not len(means):
        return Number(quantity, "HU", np.nan)
    means = means[:, None, None]
    found = regional_bias(means, np.zeros_like(means))
    value, error = float(found.mean), float(found.standard_error)
    return Number(quantity, "HU", value, error, len(means))


def _error(values: np.ndarray) -> float:
    if len(values) < 2 or not np.isfinite(values).all():
        return np.nan
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _body(reference: np.ndarray) -> np.ndarray:
    found: Any = ndimage.label(reference > _BODY_ABOVE_HU)
    parts, count = found
    if not count:
        return np.zeros(reference.shape, bool)
    largest = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return np.asarray(ndimage.binary_fill_holes(largest))


def _blocks(plane: np.ndarray, size: int) -> np.ndarray:
    """`[rows, columns, size, size]`; what is left at the ends belongs to none."""
    rows, columns = (n // size for n in plane.shape)
    plane = plane[: rows * size, : columns * size]
    return plane.reshape(rows, size, columns, size).swapaxes(1, 2)


def _uniform(
    reference: np.ndarray, body: np.ndarray, tissue: tuple[float, float], *, size: int
) -> tuple[np.ndarray, ...]:
    """Rows and columns of the uniform blocks."""
    blocks = _blocks(reference, size)
    mean, deviation = blocks.mean((2, 3)), blocks.std((2, 3))
    fit = _blocks(body, size).all((2, 3)) & (mean >= tissue[0]) & (mean <= tissue[1])
    order = np.argsort(np.where(fit, deviation, np.inf), axis=None, kind="stable")
    chosen = order[: int(np.ceil(_SHARE * fit.sum()))]
    return np.unravel_index(chosen, fit.shape)

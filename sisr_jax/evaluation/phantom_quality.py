"""Noise, transfer, bias and detectability of methods on a phantom of discs.

A disc of water in air has a disc of 400 HU in its middle, for the transfer, and, in one
of two versions, four small discs of low contrast around it, for the detectability. Both
versions are projected with the operator that reconstructs, so nothing but noise and
missing views stands between a method and its answer; many scans of each have noise of
their own. All lengths are shares of the width of the image. Methods that are not linear
do something else at another contrast, dose or object.
"""

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sisr_jax.data.phantoms.discs import Disc, draw_discs
from sisr_jax.data.transforms import from_unit_range, to_unit_range
from sisr_jax.degradation.dose import LowDose
from sisr_jax.evaluation.phantom_methods import Method, method_named
from sisr_jax.evaluation.quality_report import (
    NOISE_POWER,
    TRANSFER,
    Number,
    Quality,
)
from sisr_jax.metrics import (
    Curve,
    edge_response,
    hotelling_detectability,
    laguerre_gauss_channels,
    mean_frequency,
    noise_power_spectrum,
    radial_mean,
    regional_bias,
)
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

# What the shipped weights were trained for.
WINDOW = (-1000.0, 1000.0)
# Lengths as shares of the width of the image.
_WATER, _BONE, _REACH, _RING, _PATCH = 0.42, 0.1, 0.05, 0.27, 0.06
_INSERTS = (0.01, 0.02, 0.03, 0.04)
_BONE_HU = 400.0
# Of a disc, inwards of the blur of its edge.
_INNER = 0.7
_NUM_CHANNELS = 5
_Progress = Callable[[Sequence[int]], Iterable[int]]


class Scan(NamedTuple):
    """How the phantom is measured.

    Attributes:
        size: Height and width of the image in pixels, at least 64.
        pixel_mm: Width of a pixel.
        views: Evenly spread over 180 degrees.
        photons: Sent along every ray.
        samples: Scans of each version of the phantom, at least 6.
        contrast: Of the small discs, in HU.
        seed: Of the noise.
    """

    size: int
    pixel_mm: float
    views: int
    photons: float
    samples: int
    contrast: float
    seed: int

    @property
    def beam(self) -> ParallelBeam:
        """The rays."""
        return ParallelBeam(self.size, self.views)

    @property
    def bone(self) -> Disc:
        """The disc of high contrast, off the grid, as an edge has to be."""
        middle = self.size // 2
        return Disc(middle + 0.29, middle + 0.41, _BONE * self.size, _BONE_HU)

    @property
    def inserts(self) -> tuple[Disc, ...]:
        """The discs of low contrast, each in the middle of a pixel."""
        angles = math.pi / 4 + math.pi / 2 * np.arange(len(_INSERTS))
        return tuple(
            Disc(*self._on_ring(angle), radius * self.size, self.contrast)
            for angle, radius in zip(angles, _INSERTS, strict=True)
        )

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Middles of the regions of noise: of the inserts, and halfway between."""
        return tuple(self._on_ring(math.pi / 4 * i) for i in range(8))

    def _on_ring(self, angle: float) -> tuple[int, int]:
        middle, radius = self.size // 2, _RING * self.size
        row, column = middle + radius * np.sin(angle), middle + radius * np.cos(angle)
        return round(row), round(column)


def measure(scan: Scan, operator: ParallelBeamCT) -> tuple[jax.Array, jax.Array]:
    """Sinograms of the phantom with and without the discs of low contrast.

    Args:
        scan: The scan.
        operator: Of its beam.

    Returns:
        Both `[samples, angles, detectors]`, in units of the window's [0, 1].
    """
    middle = scan.size // 2
    water = Disc(middle, middle, _WATER * scan.size, 0.0)
    dose = LowDose(scan.photons, pixel_mm=scan.pixel_mm, window=WINDOW)
    keys = jax.random.split(jax.random.key(scan.seed), (2, scan.samples))
    sinograms = []
    for each, inserts in zip(keys, (scan.inserts, ()), strict=True):
        image = draw_discs(scan.size, [water, scan.bone, *inserts])
        clean = operator(jnp.asarray(to_unit_range(image, WINDOW)))
        copies = jnp.broadcast_to(clean, (scan.samples, *clean.shape))
        sinograms.append(dose.spoil(each, copies, operator))
    return sinograms[0], sinograms[1]


def reconstruct(
    method: Method,
    sinograms: jax.Array,
    operator: ParallelBeamCT,
    *,
    progress: _Progress = iter,
) -> np.ndarray:
    """Images `[samples, size, size]` in HU, one after another.

    Args:
        method: Reconstructs one sinogram.
        sinograms: `[samples, angles, detectors]`.
        operator: What measured them.
        progress: Goes through the samples, and may tell how far it is.
    """
    images = [
        np.asarray(method(sinograms[i], operator))
        for i in progress(range(len(sinograms)))
    ]
    return from_unit_range(np.stack(images), WINDOW)


def compare(
    scan: Scan, names: Sequence[str], *, tv_weight: float, progress: _Progress
) -> dict[str, Quality]:
    """Lets methods reconstruct the same noisy scans, and measures them.

    Args:
        scan: How the phantom is measured.
        names: Some of `method_names()`.
        tv_weight: Of total variation.
        progress: See `reconstruct`.

    Raises:
        InputError: See `method_named`; before anything is computed.
    """
    operator = ParallelBeamCT(scan.beam)
    methods = {
        name: method_named(name, operator, tv_weight=tv_weight) for name in names
    }
    present, absent = measure(scan, operator)
    both, qualities = jnp.concatenate([present, absent]), {}
    for name, method in methods.items():
        images = reconstruct(method, both, operator, progress=progress)
        qualities[name] = phantom_quality(scan, *np.split(images, 2))
    return qualities


def phantom_quality(scan: Scan, present: np.ndarray, absent: np.ndarray) -> Quality:
    """Measures the reconstructions of a method.

    Noise is what differs from the mean over the scans, so streaks that all of them
    share are no noise. Standard errors are between scans.

    Args:
        scan: The scan.
        present: With the discs of low contrast, `[samples, size, size]` in HU.
        absent: Without them.
    """
    pixel, samples = scan.pixel_mm, len(absent)
    cut = functools.partial(_patches, half=int(_PATCH * scan.size))
    # The mean over n scans has 1 / n of their variance, and follows them.
    noise = (absent - absent.mean(0)) * math.sqrt(samples / (samples - 1))
    regions = np.stack([cut(noise, place) for place in scan.places], 1)
    spectrum = noise_power_spectrum(
        regions.reshape(-1, *regions.shape[2:]), pixel_mm=pixel, degree=0
    )
    power = radial_mean(spectrum, pixel_mm=pixel, num_bins=len(spectrum) // 2)
    edge = edge_response(
        absent.mean(0),
        centre=scan.bone[:2],
        radius=scan.bone.radius,
        reach=_REACH * scan.size,
        pixel_mm=pixel,
        oversampling=4,
    )
    water = np.stack([cut(absent, place) for place in scan.places], 1)
    numbers = [
        Number("noise", "HU", float(np.sqrt(np.mean(regions**2))), count=samples),
        Number("its mean frequency", "cycles/mm", float(mean_frequency(power))),
        Number(f"f50 of the {_BONE_HU:g} HU edge", "cycles/mm", float(edge.f50)),
        _bias("bias, water", water.reshape(samples, -1), 0.0),
        _bias(f"bias, disc of {_BONE_HU:g} HU", _inside(absent, scan.bone), _BONE_HU),
    ]
    names = [f"{2 * d.radius * pixel:.2g} mm of {d.hu:g} HU" for d in scan.inserts]
    for name, disc in zip(names, scan.inserts, strict=True):
        numbers.append(_bias(f"bias, {name}", _inside(present, disc), disc.hu))
    for name, disc in zip(names, scan.inserts, strict=True):
        place = int(disc.row), int(disc.column)
        patches = cut(present, place), cut(absent, place)
        channels = laguerre_gauss_channels(
            patches[0].shape[1:],
            num_channels=_NUM_CHANNELS,
            # The first channel is a Gaussian as wide as the disc.
            width=math.sqrt(2 * math.pi) * disc.radius,
        )
        found = hotelling_detectability(*patches, channels=channels)
        value, error = float(found.d_prime), float(found.standard_error)
        numbers.append(Number(f"d', {name}", "", value, error, samples))
    curves = {
        NOISE_POWER: power,
        TRANSFER: Curve(edge.frequencies, edge.transfer),
    }
    return Quality(tuple(numbers), curves)


def _patches(images: np.ndarray, place: tuple[int, int], half: int) -> np.ndarray:
    row, column = place
    return images[:, row - half : row + half + 1, column - half : column + half + 1]


def _inside(images: np.ndarray, disc: Disc) -> np.ndarray:
    """Pixels of a disc away from its edge, `[samples, pixels]`."""
    return images[:, disc.mask(images.shape[-1], share=_INNER)]


def _bias(quantity: str, pixels: np.ndarray, truth: float) -> Number:
    regions = pixels[:, None]
    found = regional_bias(regions, np.full_like(regions, truth))
    value, error = float(found.mean), float(found.standard_error)
    return Number(quantity, "HU", value, error, len(pixels))

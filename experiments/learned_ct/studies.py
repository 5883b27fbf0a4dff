"""What is trained: on which samples, in which shares, from which starts."""

import dataclasses
import functools
import pathlib
import random
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from experiments.learned_ct.samplings import SIZE, Sampling, drawn, equispaced, every
from experiments.learned_ct.slices import Window, measure
from sisr_jax.data.splits import read_assignments
from sisr_jax.degradation.dose import LowDose
from sisr_jax.image.intensity import own_range
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

# Photons of a scan at low dose, drawn to train on.
DOSES = LowDose((1e4, 1e6))


class Sample(NamedTuple):
    """A slice and how it is measured."""

    file: pathlib.Path
    split: str
    group: str
    sampling: Sampling
    dose: LowDose | None = None

    @property
    def protocol(self) -> str:
        """Name of what is measured."""
        return self.sampling.name + dose_name(self.dose)

    def path(self, folder: pathlib.Path) -> pathlib.Path:
        """Where a folder has what was computed of it."""
        return folder / self.split / self.protocol / f"{self.file.stem}.npz"


def dose_name(dose: LowDose | None) -> str:
    """What a name says of the photons."""
    if dose is None:
        return ""
    fewest, most = dose.range
    return f"_{fewest:g}" + (f"to{most:g}" if fewest < most else "") + "_photons"


# What is learned of slices, their keys, how they are measured, and a dose: the target
# and the measurement.
Observe = Callable[
    [np.ndarray, jax.Array, ParallelBeamCT, LowDose | None],
    tuple[np.ndarray | jax.Array, jax.Array],
]


def observe(
    slices: np.ndarray, keys: jax.Array, operator: ParallelBeamCT, dose: LowDose | None
) -> tuple[np.ndarray, jax.Array]:
    """The slice itself, measured by the operator."""
    return slices, measure(operator, slices, keys, dose)


NUM_VIEWS = 1000


@functools.cache
def full_views() -> ParallelBeamCT:
    """All views of the original's protocol, by scikit-image's numerics."""
    return ParallelBeamCT(ParallelBeam(SIZE, NUM_VIEWS), method="reference")


@jax.jit
def _reconstruct(
    full: ParallelBeamCT, slices: jax.Array
) -> tuple[jax.Array, jax.Array]:
    views = full(own_range(slices[..., None])[..., 0])
    return full.fbp(views, weights="uniform"), views


def observe_original(
    slices: np.ndarray, keys: jax.Array, operator: ParallelBeamCT, dose: LowDose | None
) -> tuple[jax.Array, jax.Array]:
    """The reconstruction of the slice from all views, of which some are kept.

    The target of the original's protocol, but for its scale, which is that of its
    extremes and cannot be seen in a crop.
    """
    del keys, dose
    target, views = _reconstruct(full_views(), slices)
    return target, views[:, :: -(-NUM_VIEWS // operator.range_shape[0])]


@dataclasses.dataclass(frozen=True)
class Study:
    """A recipe.

    Attributes:
        label: How tables call what comes of it.
        shares: How often a crop comes from each group of samples.
        start_weights: See `multiples` of `sisr_jax.reconstruction.starts.starts`.
        last_steps: Of data consistency after the last stage.
        samples: Of the shuffled files of a split, their samples by measurement.
        window: HU that become 0 and 1.
        observe: See `Observe`.
    """

    label: str
    shares: dict[str, float]
    start_weights: tuple[float, ...]
    last_steps: int
    samples: Callable[[list[pathlib.Path], str], list[Sample]]
    window: Window = (-1000.0, 1000.0)
    observe: Observe = observe


def files_of(data: pathlib.Path, split: str) -> dict[pathlib.Path, str]:
    """The patient of each file of a split of `data/ct`, by `data/manifest.csv`."""
    assigned = read_assignments(data / "manifest.csv", root=data / "ct")
    return {file: a.patient for file, a in assigned.items() if a.split == split}


def samples_of(study: Study, data: pathlib.Path, split: str) -> list[Sample]:
    """The samples of a split, by measurement, patients mixed."""
    files = list(files_of(data, split))
    random.Random(0).shuffle(files)
    return study.samples(files, split)


def _others(
    files: list[pathlib.Path], split: str, dose: LowDose | None = None
) -> list[Sample]:
    """Slices dealt to the random samplings."""
    group = "any" if dose is None else "any at low dose"
    samplings = drawn()
    return [
        Sample(file, split, group, sampling, dose)
        for number, sampling in enumerate(samplings)
        for file in files[number :: len(samplings)]
    ]


def _noise_free(files: list[pathlib.Path], split: str) -> list[Sample]:
    """Each slice by every 16th view, and others: see the README."""
    samples = _every16(files, split)
    if split == "train":
        return samples + _others(files + files[: len(files) // 2], split)
    for sampling in (equispaced(32), equispaced(100, 0.5), every(8), every(4)):
        samples += [Sample(file, split, "any", sampling) for file in files[::5]]
    return samples


def _any_dose(files: list[pathlib.Path], split: str) -> list[Sample]:
    """Half of the slices without noise, half with some."""
    low = "every16 at low dose"
    samples = _every16(files, split)
    if split == "train":
        samples += [Sample(file, split, low, every(16), DOSES) for file in files]
        half = len(files) // 2
        return (
            samples + _others(files[:half], split) + _others(files[half:], split, DOSES)
        )
    samples += [Sample(file, split, low, every(16), LowDose(1e5)) for file in files]
    for sampling, dose in (
        (every(16), LowDose(1e4)),
        (every(8), None),
        (equispaced(100, 0.5), LowDose(1e5)),
    ):
        group = "any" if dose is None else "any at low dose"
        samples += [Sample(file, split, group, sampling, dose) for file in files[::5]]
    return samples


def _every16(files: list[pathlib.Path], split: str) -> list[Sample]:
    """Each slice by every 16th view."""
    return [Sample(file, split, "every16", every(16)) for file in files]


STUDIES = {
    "noise-free": Study(
        "Cascade", {"every16": 0.5, "any": 0.5}, (1.0, 5.0), 24, _noise_free
    ),
    "any-dose": Study(
        "Cascade for any dose",
        dict.fromkeys(
            ("every16", "any", "every16 at low dose", "any at low dose"), 0.25
        ),
        (1.0, 5.0, 30.0, 200.0),
        0,
        _any_dose,
    ),
    # The views are scikit-image's, and reconstructed by another projector: they
    # deserve less trust than without noise.
    "original": Study(
        "Cascade for the original's protocol",
        {"every16": 1.0},
        (4.0, 20.0),
        0,
        _every16,
        (-1024.0, 200.0),
        observe_original,
    ),
    "specialist": Study(
        "Cascade for 63 views", {"every16": 1.0}, (1.0, 5.0), 24, _every16
    ),
}

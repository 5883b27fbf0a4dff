"""What is trained: on which samples, in which shares, from which starts."""

import dataclasses
import pathlib
import random
from collections.abc import Callable
from typing import NamedTuple

from experiments.learned_ct.samplings import Sampling, drawn, equispaced, every
from sisr_jax.data.splits import read_assignments
from sisr_jax.degradation.dose import LowDose

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


@dataclasses.dataclass(frozen=True)
class Study:
    """A recipe.

    Attributes:
        label: How tables call what comes of it.
        shares: How often a crop comes from each group of samples.
        start_weights: See `multiples` of `sisr_jax.reconstruction.starts.starts`.
        last_steps: Of data consistency after the last stage.
        samples: Of the shuffled files of a split, their samples by measurement.
    """

    label: str
    shares: dict[str, float]
    start_weights: tuple[float, ...]
    last_steps: int
    samples: Callable[[list[pathlib.Path], str], list[Sample]]


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
    samples = [Sample(file, split, "every16", every(16)) for file in files]
    if split == "train":
        return samples + _others(files + files[: len(files) // 2], split)
    for sampling in (equispaced(32), equispaced(100, 0.5), every(8), every(4)):
        samples += [Sample(file, split, "any", sampling) for file in files[::5]]
    return samples


def _any_dose(files: list[pathlib.Path], split: str) -> list[Sample]:
    """Half of the slices without noise, half with some."""
    low = "every16 at low dose"
    samples = [Sample(file, split, "every16", every(16)) for file in files]
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
}

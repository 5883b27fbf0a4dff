"""Slices of a folder, the samples made of them, and what is computed of each once."""

import os
import pathlib
import random
from typing import NamedTuple

import jax
import numpy as np

from experiments.learned_ct.samplings import Sampling, drawn, equispaced, every
from sisr_jax.data.formats.readers import read_images
from sisr_jax.data.splits import read_assignments
from sisr_jax.data.transforms import to_unit_range
from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.starts import starts

WINDOW = (-1000.0, 1000.0)
PNG_RESCALE = (1.0, -32768.0)
# Slices of one sampling in a call: its compilation is shared.
TOGETHER = 4


class Sample(NamedTuple):
    """A slice and how it is measured."""

    file: pathlib.Path
    split: str
    group: str
    sampling: Sampling

    def path(self, folder: pathlib.Path) -> pathlib.Path:
        """Where a folder has what was computed of it."""
        return folder / self.split / self.sampling.name / f"{self.file.stem}.npz"


def files_of(data: pathlib.Path, split: str) -> dict[pathlib.Path, str]:
    """The patient of each file of a split of `data/ct`, by `data/manifest.csv`."""
    assigned = read_assignments(data / "manifest.csv", root=data / "ct")
    return {file: a.patient for file, a in assigned.items() if a.split == split}


def samples_of(data: pathlib.Path, split: str) -> list[Sample]:
    """The samples of a split, by sampling, patients mixed.

    Of the train split: each slice with every 16th view, and one and a half times with
    a random sampling. Of another: with every 16th view, and some by other samplings.
    """
    files = list(files_of(data, split))
    random.Random(0).shuffle(files)
    samples = [Sample(file, split, "every16", every(16)) for file in files]
    if split == "train":
        others = drawn()
        dealt = files + files[: len(files) // 2]
        for number, sampling in enumerate(others):
            samples += [
                Sample(file, split, "any", sampling)
                for file in dealt[number :: len(others)]
            ]
    else:
        for sampling in (equispaced(32), equispaced(100, 0.5), every(8), every(4)):
            samples += [Sample(file, split, "any", sampling) for file in files[::5]]
    return samples


def read_slice(file: pathlib.Path) -> np.ndarray:
    """One slice `[size, size]`, float32 in [0, 1] of the window."""
    return to_unit_range(next(iter(read_images(file, [0], PNG_RESCALE))), WINDOW)


@jax.jit
def measure_and_start(
    operator: LinearOperator, target: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The measurement of slices `[batch, size, size]`, and the starts from it."""
    measured = operator(target)
    return measured, starts(measured, operator)


def save(path: pathlib.Path, arrays: dict) -> None:
    """Writes an npz file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)

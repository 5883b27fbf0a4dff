"""Which views are measured: the ones that are scored, and random ones to train on."""

from typing import NamedTuple

import numpy as np

from sisr_jax.tomography import ParallelBeam

SIZE = 512
FEWEST, MOST = 32, 250
NUM_DRAWN = 36


class Sampling(NamedTuple):
    """Views of a name that says which they are."""

    name: str
    beam: ParallelBeam


def every(factor: int) -> Sampling:
    """Every `factor`-th of 1000 views."""
    return Sampling(f"every{factor}", ParallelBeam(SIZE, 1000).every(factor))


def equispaced(views: int, shift: float = 0.0) -> Sampling:
    """Views over 180 degrees, the first at `shift` of their distance."""
    angles = (np.arange(views) + shift) * np.pi / views
    name = f"views{views}" + (f"from{shift:.2f}" if shift else "")
    return Sampling(name, ParallelBeam(SIZE, angles=angles))


def drawn() -> list[Sampling]:
    """Random samplings: the logarithm of the number is uniform, and so is the shift."""
    rng = np.random.default_rng(0)
    numbers = np.exp(np.linspace(np.log(FEWEST), np.log(MOST), NUM_DRAWN))
    shifts = rng.uniform(0.01, 1, NUM_DRAWN).round(2)
    found = [
        equispaced(round(number), float(shift))
        for number, shift in zip(numbers, shifts, strict=True)
    ]
    return [found[index] for index in rng.permutation(NUM_DRAWN)]

"""Chooses the weights of total variation on slices of the train split.

    python -m experiments.baselines.tune --data FOLDER [--only physical 16]

FOLDER as in `run`. One slice each of some patients. For each protocol and factor the
weights 1, 2, 5, 10, ... are climbed to the best mean PSNR; with that, the number of
iterations shows how far the result is from converged. Writes `total_variation.csv` and
`convergence.png` beside this file; a run in parts adds to what is there.
"""

import argparse
import csv
import functools
import math
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.baselines.cases import config_of, split_of
from experiments.baselines.convergence import draw
from sisr_jax.data.sources import Source
from sisr_jax.data.transforms import to_unit_range
from sisr_jax.degradation import modality_of
from sisr_jax.evaluation.patients import patient_numbers
from sisr_jax.evaluation.protocol import Family, Protocol, protocol_of
from sisr_jax.evaluation.protocol import config_of as as_measured
from sisr_jax.evaluation.regions import Regions
from sisr_jax.evaluation.setup import finish, observe
from sisr_jax.metrics import psnr, ssim
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

HERE = pathlib.Path(__file__).parent
FACTORS = (16, 8, 4)
FAMILIES: tuple[Family, ...] = ("physical", "original")
NUM_PATIENTS = 5
# Iterations with which weights are compared, and those that show the convergence.
COMPARED, SHOWN = 100, (25, 50, 200)
# Where the climb starts.
STARTS = {
    ("physical", 16): 2e-4,
    ("physical", 8): 5e-5,
    ("physical", 4): 1e-5,
    ("original", 16): 1e-3,
    ("original", 8): 5e-4,
    ("original", 4): 2e-4,
}


class Row(NamedTuple):
    """One line of `total_variation.csv`; the means are over the slices."""

    family: str
    factor: int
    weight: float
    iterations: int
    psnr: float
    ssim: float
    seconds: float  # of processor time for each slice, the first time with compilation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument(
        "--output", type=pathlib.Path, default=HERE / "total_variation.csv"
    )
    parser.add_argument("--only", nargs=2, metavar=("FAMILY", "FACTOR"))
    arguments = parser.parse_args()
    cases = [(family, factor) for family in FAMILIES for factor in FACTORS]
    if arguments.only:
        family, factor = arguments.only
        cases = [case for case in cases if case == (family, int(factor))]
    table = Table(arguments.output)
    for family in dict.fromkeys(family for family, _ in cases):
        factors = [factor for each, factor in cases if each == family]
        tune(arguments.data.resolve(), family, factors, table)
        draw(arguments.output.with_name("convergence.png"), table.rows)


class Table:
    """The rows that were measured, written again after each."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self.rows: list[Row] = []
        if path.exists():
            with path.open(newline="") as file:
                self.rows = [
                    Row(*(kind(value) for kind, value in zip(KINDS, row, strict=True)))
                    for row in list(csv.reader(file))[1:]
                ]

    def add(self, row: Row) -> None:
        self.rows = [known for known in self.rows if known[:4] != row[:4]] + [row]
        print(*row, flush=True)
        with self._path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([Row._fields, *self.rows])


KINDS = tuple(Row.__annotations__.values())


def tune(
    data: pathlib.Path, family: Family, factors: Sequence[int], table: Table
) -> None:
    """Climbs to the best weight of each factor, then varies the iterations."""
    config = config_of(data, "ct", math.gcd(*FACTORS))
    protocol, config = protocol_of(config, family), as_measured(config, family)
    source = split_of(config, "train")
    window = config.data.window
    hr = np.stack([to_unit_range(image, window) for image in one_each(source, config)])
    modality = modality_of(config)
    # The views of the smallest factor hold those of the others.
    seen = jax.jit(functools.partial(observe, protocol))(
        modality.degrade(config),
        modality.baselines(config),
        jax.random.split(jax.random.key(0), len(hr)),
        jnp.asarray(hr)[..., None],
        Regions(),
    )
    full = ParallelBeam(config.data.shape[0], config.degradation.num_angles)
    for factor in factors:
        views = seen.measurement.values[:, :: factor // math.gcd(*FACTORS)]
        operator = ParallelBeamCT(full.every(factor))
        measure = functools.partial(
            _measure, table, protocol, factor, views, operator, seen.target
        )
        weight = climb(
            lambda number, measure=measure: measure(nice(number), COMPARED),
            number_of(STARTS[family, factor]),
        )
        for num_iterations in SHOWN:
            measure(nice(weight), num_iterations)


def one_each(source: Source, config) -> list[np.ndarray]:
    """The middle slice of some patients, evenly spread over all."""
    patients = np.array(patient_numbers(source, config.data))
    everyone = list(dict.fromkeys(patients))
    chosen = np.linspace(0, len(everyone) - 1, NUM_PATIENTS).round().astype(int)
    slices = [np.flatnonzero(patients == everyone[patient]) for patient in chosen]
    return [source[int(each[len(each) // 2])] for each in slices]


def climb(value_of: Callable[[int], float], start: int) -> int:
    """The number with the greatest value, from one to the next."""
    values = {start: value_of(start)}
    for direction in (1, -1):
        best = max(values, key=values.__getitem__)
        while best + direction not in values:
            values[best + direction] = value_of(best + direction)
            best = max(values, key=values.__getitem__)
    return best


def nice(number: int) -> float:
    """1, 2, 5, 10, ... times 1e-9."""
    decade, step = divmod(number, 3)
    return float(f"{(1, 2, 5)[step]}e{decade - 9}")


def number_of(weight: float) -> int:
    """The inverse of `nice`."""
    return next(number for number in range(30) if math.isclose(nice(number), weight))


def _measure(
    table: Table,
    protocol: Protocol,
    factor: int,
    views: jax.Array,
    operator: ParallelBeamCT,
    target: jax.Array,
    weight: float,
    num_iterations: int,
) -> float:
    start = time.process_time()
    planes = _reconstruct(views, operator, weight, num_iterations).block_until_ready()
    seconds = (time.process_time() - start) / len(views)
    estimate = finish(protocol, planes[..., None])
    scores = (float(metric(estimate, target).mean()) for metric in (psnr, ssim))
    numbers = (round(score, 3) for score in scores)
    row = Row(
        protocol.family, factor, weight, num_iterations, *numbers, round(seconds, 2)
    )
    table.add(row)
    return row.psnr


@functools.partial(jax.jit, static_argnums=3)
def _reconstruct(
    views: jax.Array, operator: ParallelBeamCT, weight: float, num_iterations: int
) -> jax.Array:
    return total_variation(
        views, operator, weight=weight, num_iterations=num_iterations
    )


if __name__ == "__main__":
    main()

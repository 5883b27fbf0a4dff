"""Calibrates the intervals of a cascade on validation patients, and tests them.

    python -m experiments.learned_ct.intervals --data FOLDER --output intervals.csv

An interval is the restored value plus and minus a multiple of `error_scale`. The
multiple is the smallest whose intervals hold 90 % of a validation patient's body pixels
on the mean over patients, at every 16th view; it is then tested on other patients and
other samplings. Likewise for the means of boxes of 12 x 12 pixels, whose scale is the
mean of that of their pixels. (Conformal risk control, Angelopoulos et al. 2022, would
add 1 / (patients + 1) to the risk for a guarantee: with 7 patients more than the 10 %
that an interval may miss. So there is none but the test.)
"""

import argparse
import csv
import pathlib
from collections import defaultdict
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.learned_ct.pool import BODY
from experiments.learned_ct.samplings import Sampling
from experiments.learned_ct.score import SAMPLINGS, by_turns
from experiments.learned_ct.slices import read_slice
from experiments.learned_ct.studies import STUDIES, files_of
from sisr_jax.evaluation.measures import hull
from sisr_jax.inference import load
from sisr_jax.reconstruction.error_scale import error_scale
from sisr_jax.tomography import ParallelBeamCT

LEVEL = 0.9
BOX = 12
FIELDS = "sampling split patient slices body whole boxes half_width_hu".split()
CALIBRATED = "every16"


class Ratios(NamedTuple):
    """Errors over scales of a slice: body pixels, all of them, boxes in the body."""

    body: np.ndarray
    whole: np.ndarray
    boxes: np.ndarray
    scale: float


Measured = dict[str, list[Ratios]]  # by patient


def boxes_of(image: np.ndarray) -> np.ndarray:
    """Means of boxes beside each other."""
    size = len(image) // BOX * BOX
    parts = image[:size, :size].reshape(size // BOX, BOX, size // BOX, BOX)
    return parts.mean((1, 3))


def ratios_of(
    data: pathlib.Path, split: str, sampling: Sampling, most: int
) -> Measured:
    """Of the slices of a split, patients by turns."""
    window, found = STUDIES["noise-free"].window, defaultdict(list)
    operator, restorer = ParallelBeamCT(sampling.beam), load("sparse-view-ct")
    scale_of, measure = jax.jit(error_scale), jax.jit(lambda known, x: known(x))
    for file, patient in list(by_turns(files_of(data, split)).items())[:most]:
        target = read_slice(file, window)
        y = measure(operator, target)
        image = np.asarray(restorer(measurement=y, operator=operator).image)
        scale = np.asarray(scale_of(y, operator))
        body = np.asarray(hull(jnp.asarray(target > BODY)[..., None])[..., 0])
        error, inside = image - target, boxes_of(body.astype(float)) == 1
        ratio = np.abs(error) / scale
        boxes = np.abs(boxes_of(error)) / boxes_of(scale)
        row = ratio[body], ratio.ravel(), boxes[inside], scale[body].mean()
        found[patient].append(Ratios(*row))
    return found


def coverage(slices: list[Ratios], name: str, multiple: float) -> float:
    """Share of a patient's pixels or boxes that lie in their intervals."""
    values = np.concatenate([getattr(each, name) for each in slices])
    return float((values <= multiple).mean())


def calibrated(measured: Measured, name: str) -> float:
    """The smallest multiple that covers enough on the mean over patients."""
    low, high = 0.0, 1e3
    for _ in range(40):
        middle = (low + high) / 2
        covered = [coverage(slices, name, middle) for slices in measured.values()]
        low, high = (low, middle) if np.mean(covered) >= LEVEL else (middle, high)
    return high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--samplings", nargs="+", default=[CALIBRATED])
    parser.add_argument("--slices", type=int, default=10**6)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    data, most = arguments.data, arguments.slices
    measured = ratios_of(data, "validation", SAMPLINGS[CALIBRATED], 10**6)
    multiples = {
        "body": calibrated(measured, "body"),
        "boxes": calibrated(measured, "boxes"),
    }
    print({name: round(value, 3) for name, value in multiples.items()}, flush=True)
    low, high = STUDIES["noise-free"].window
    rows = []
    for name in arguments.samplings:
        for split in ("validation", "test"):
            if (name, split) != (CALIBRATED, "validation"):
                measured = ratios_of(data, split, SAMPLINGS[name], most)
            for number, patient in enumerate(sorted(measured), 1):
                slices = measured[patient]
                multiple, width = multiples["body"], np.mean([s.scale for s in slices])
                covered = [
                    coverage(slices, each, multiple) for each in ("body", "whole")
                ]
                covered.append(coverage(slices, "boxes", multiples["boxes"]))
                row = [name, split, number, len(slices)]
                row += [f"{each:.4f}" for each in covered]
                rows.append([*row, f"{multiple * width * (high - low):.2f}"])
            mine = [row for row in rows if row[:2] == [name, split]]
            means = [np.mean([float(row[i]) for row in mine]) for i in (4, 5, 6, 7)]
            text = "body {:.3f}, whole {:.3f}, boxes {:.3f}, half width {:.1f} HU"
            print(name, split, text.format(*means), flush=True)
    with arguments.output.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([FIELDS, *rows])


if __name__ == "__main__":
    main()

"""Calibrates the intervals of the network on validation frames, and tests them.

    python -m experiments.ultrasound.intervals --data FOLDER --weights NAME \
        --output intervals.csv

As `experiments.learned_ct.intervals`: an interval is the restored value plus and minus
a multiple of `error_scale`, the smallest that holds 90 % of a video's missing pixels in
the sector, on the mean over videos, at every 16th column.
"""

import argparse
import csv
import pathlib
from collections import defaultdict

import jax
import jax.numpy as jnp
import numpy as np

from experiments.ultrasound.frames import frames_of, middle
from sisr_jax.inference import load
from sisr_jax.reconstruction.error_scale import error_scale
from sisr_jax.ultrasound import LateralDecimation

LEVEL, CALIBRATED = 0.9, 16
FIELDS = "split factor video frames covered half_width_levels".split()
# Darker than this everywhere around is outside of the sector.
DARK = 2 / 255
Measured = dict[str, list[tuple[np.ndarray, float]]]  # ratios and mean scale, by video


def ratios_of(data: pathlib.Path, split: str, weights: str, factor: int) -> Measured:
    """Errors over scales of missing pixels that are not black."""
    restorer, operator = load(weights), LateralDecimation(factor)
    scale_of, found = jax.jit(error_scale), defaultdict(list)
    for frame in frames_of(data, split):
        target = middle(frame.image)
        lines = operator(jnp.asarray(target))
        image = np.asarray(restorer(measurement=lines, operator=operator).image)
        scale = np.asarray(scale_of(lines, operator))
        is_asked = target > DARK
        is_asked[:, ::factor] = False
        if is_asked.any():
            ratio = np.abs(image - target) / scale
            found[frame.video].append((ratio[is_asked], scale[is_asked].mean()))
    return found


def coverage(frames: list[tuple[np.ndarray, float]], multiple: float) -> float:
    """Share of a video's pixels that lie in their intervals."""
    return float((np.concatenate([each for each, _ in frames]) <= multiple).mean())


def calibrated(measured: Measured) -> float:
    """The smallest multiple that covers enough on the mean over videos."""
    low, high = 0.0, 1e3
    for _ in range(40):
        middle = (low + high) / 2
        covered = [coverage(frames, middle) for frames in measured.values()]
        low, high = (low, middle) if np.mean(covered) >= LEVEL else (middle, high)
    return high


def main() -> None:
    parser = argparse.ArgumentParser(description="Calibrates intervals.")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--weights", default="scan-line-ultrasound")
    parser.add_argument("--splits", nargs="+", default=["validation", "test"])
    parser.add_argument("--factors", type=int, nargs="+", default=[16, 8, 4, 2])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    data, weights = arguments.data, arguments.weights
    multiple = calibrated(ratios_of(data, "validation", weights, CALIBRATED))
    print(f"multiple {multiple:.3f}", flush=True)
    rows = []
    for split in arguments.splits:
        for factor in arguments.factors:
            measured, mine = ratios_of(data, split, weights, factor), []
            for number, video in enumerate(sorted(measured), 1):
                frames = measured[video]
                half = 255 * multiple * np.mean([scale for _, scale in frames])
                mine.append((coverage(frames, multiple), half))
                row = [split, factor, number, len(frames)]
                rows.append([*row, *(f"{value:.4f}" for value in mine[-1])])
            covered, half = np.mean(mine, 0)
            print(f"{split} x{factor} {covered:.3f}, {half:.1f} levels", flush=True)
    with arguments.output.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([FIELDS, *rows])


if __name__ == "__main__":
    main()

"""Makes the tables of `score`'s numbers: means with intervals, and gains by patient.

    python -m experiments.learned_ct.table per_image.csv \
        --baselines experiments/baselines/per_image.csv

Total variation at every 16th, 8th and 4th view is taken from the baselines' file, under
the name it has there; it is converged.
"""

import argparse
import csv
import pathlib
from collections import defaultdict
from typing import NamedTuple

import numpy as np

from sisr_jax.evaluation.statistics import bootstrap_interval, paired_wilcoxon

Rows = dict[str, dict]  # by file
Scores = dict[str, dict[str, Rows]]  # by sampling, by method
NUMBERS = ("psnr", "ssim", "psnr_mask", "residual")


class Gain(NamedTuple):
    """One method over another on the same slices."""

    slices: int
    decibels: float
    low: float
    high: float
    above: int
    patients: int
    p: float


def read(scores: pathlib.Path, baselines: pathlib.Path) -> Scores:
    """All methods by sampling; patients are numbered as in `scores`."""
    found: Scores = defaultdict(lambda: defaultdict(dict))
    patients = {}
    with scores.open(newline="") as file:
        for row in csv.DictReader(file):
            found[row["sampling"]][row["method"]][row["file"]] = row
            patients[row["file"]] = row["patient"]
    with baselines.open(newline="") as file:
        for row in csv.DictReader(file):
            physical, _, factor = row["protocol"].partition("-ct-x")
            sampling = f"every{factor.partition('-')[0]}"
            is_wanted = row["method"].startswith("TV") and row["image"] in patients
            if is_wanted and physical == "physical" and sampling in found:
                own = row | {"patient": patients[row["image"]]}
                found[sampling][row["method"]][row["image"]] = own
    return found


def levels(rows: Rows) -> tuple[dict[str, float], tuple[float, float]]:
    """Means over images, and the interval of the PSNR by patient."""
    values = [float(row["psnr"]) for row in rows.values()]
    interval = bootstrap_interval(values, [row["patient"] for row in rows.values()])
    means = {
        name: float(np.mean([float(row[name]) for row in rows.values()]))
        for name in NUMBERS
    }
    return means, interval


def gain(rows: Rows, others: Rows) -> Gain:
    """Difference on the slices that both methods have."""
    files = sorted(set(rows) & set(others))
    patients = [rows[file]["patient"] for file in files]
    values = [float(rows[file]["psnr"]) for file in files]
    reference = [float(others[file]["psnr"]) for file in files]
    difference = np.subtract(values, reference)
    low, high = bootstrap_interval(difference.tolist(), patients)
    by_patient = defaultdict(list)
    for patient, each in zip(patients, difference, strict=True):
        by_patient[patient].append(each)
    above = sum(np.mean(each) > 0 for each in by_patient.values())
    p = paired_wilcoxon(values, reference, patients)
    return Gain(
        len(files), float(difference.mean()), low, high, above, len(by_patient), p
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", type=pathlib.Path)
    parser.add_argument("--baselines", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    found = read(arguments.scores, arguments.baselines)
    head = "| views | method | slices | PSNR (95 %) | SSIM | body mask | residual |"
    print(f"{head}\n|---|---|---|---|---|---|---|")
    for sampling, methods in found.items():
        for method, rows in methods.items():
            means, (low, high) = levels(rows)
            print(
                f"| {sampling} | {method} | {len(rows)} "
                f"| {means['psnr']:.2f} ({low:.2f} to {high:.2f}) "
                f"| {means['ssim']:.3f} | {means['psnr_mask']:.2f} "
                f"| {means['residual']:.5f} |"
            )
    print("\n| views | method | against | gain in dB (95 %) | patients above | p |")
    print("|---|---|---|---|---|---|")
    for sampling, methods in found.items():
        for method, rows in methods.items():
            if not method.startswith("Cascade"):
                continue
            for other, others in methods.items():
                if other != method:
                    g = gain(rows, others)
                    print(
                        f"| {sampling} | {method} | {other} | {g.decibels:+.2f} "
                        f"({g.low:+.2f} to {g.high:+.2f}) | {g.above} of {g.patients} "
                        f"| {g.p:.1g} |"
                    )


if __name__ == "__main__":
    main()

"""Makes the tables of `score`'s numbers: means with intervals, and gains by patient.

    python -m experiments.learned_ct.table per_image.csv \
        --baselines experiments/baselines/per_image.csv

Total variation is taken from the baselines' file, too, under the name it has there.
"""

import argparse
import csv
import pathlib
from collections import defaultdict

import numpy as np

from sisr_jax.evaluation.statistics import bootstrap_interval, paired_wilcoxon

PROTOCOL = "physical-ct-x16"

Scores = dict[str, dict[str, dict]]  # by method, by file


def read(scores: pathlib.Path, baselines: pathlib.Path) -> Scores:
    """All methods on the slices of `scores`; patients numbered as there."""
    methods: Scores = defaultdict(dict)
    patients = {}
    with scores.open(newline="") as file:
        for row in csv.DictReader(file):
            methods[row["method"]][row["file"]] = row
            patients[row["file"]] = row["patient"]
    with baselines.open(newline="") as file:
        for row in csv.DictReader(file):
            name, image = row["method"], row["image"]
            wanted = name.startswith("TV") and row["protocol"].startswith(PROTOCOL)
            if wanted and image in patients:
                methods[name][image] = row | {"patient": patients[image]}
    return methods


def levels(method: str, rows: dict[str, dict]) -> str:
    """A line of means over images, with the interval by patient."""
    values = [float(row["psnr"]) for row in rows.values()]
    low, high = bootstrap_interval(values, [row["patient"] for row in rows.values()])
    ssim, mask, residual = (
        np.mean([float(row[name]) for row in rows.values()])
        for name in ("ssim", "psnr_mask", "residual")
    )
    return (
        f"| {method} | {len(rows)} | {np.mean(values):.2f} ({low:.2f} to {high:.2f}) "
        f"| {ssim:.3f} | {mask:.2f} | {residual:.4f} |"
    )


def gains(method: str, rows: dict, other: str, others: dict) -> str:
    """A line of differences on the slices that both methods have."""
    files = sorted(set(rows) & set(others))
    patients = [rows[file]["patient"] for file in files]
    values = [float(rows[file]["psnr"]) for file in files]
    reference = [float(others[file]["psnr"]) for file in files]
    difference = np.subtract(values, reference)
    low, high = bootstrap_interval(difference.tolist(), patients)
    by_patient = defaultdict(list)
    for patient, gain in zip(patients, difference, strict=True):
        by_patient[patient].append(gain)
    above = sum(np.mean(each) > 0 for each in by_patient.values())
    return (
        f"| {method} | {other} | {len(files)} "
        f"| {difference.mean():+.2f} ({low:+.2f} to {high:+.2f}) "
        f"| {above} of {len(by_patient)} "
        f"| {paired_wilcoxon(values, reference, patients):.1g} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", type=pathlib.Path)
    parser.add_argument("--baselines", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    methods = read(arguments.scores, arguments.baselines)
    print("| method | slices | PSNR (95 % interval) | SSIM | body mask | residual |")
    print("|---|---|---|---|---|---|")
    for method, rows in methods.items():
        print(levels(method, rows))
    print("\n| method | against | slices | gain in dB | patients above | p |")
    print("|---|---|---|---|---|---|")
    for method, rows in methods.items():
        if method.startswith("Cascade"):
            for other, others in methods.items():
                if other != method:
                    print(gains(method, rows, other, others))


if __name__ == "__main__":
    main()

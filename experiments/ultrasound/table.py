"""Makes the tables of `score`'s numbers: means with intervals, and gains by video.

    python -m experiments.ultrasound.table per_image.csv

A head counts as a patient; of lungs and bone, frames of one video are alike, and the
video counts.
"""

import argparse
import csv
import pathlib
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from sisr_jax.evaluation.statistics import bootstrap_interval, paired_wilcoxon

Rows = dict[str, dict[str, str]]  # by file
Scores = dict[tuple[str, str], dict[str, Rows]]  # by part and factor, by method
NUMBERS = ("psnr", "ssim", "ms_ssim")
OURS, RIVAL = "Lateral U-Net", "Bicubic"
KINDS = {"all": "", "heads": "hc18", "lungs": "pocus", "bone": "plus"}


class Gain(NamedTuple):
    """One method over another on the same frames."""

    frames: int
    decibels: float
    low: float
    high: float
    ssim: float
    above: int
    videos: int
    p: float


def read(scores: pathlib.Path) -> Scores:
    """All methods by part of the frames and factor."""
    found: Scores = defaultdict(lambda: defaultdict(dict))
    with scores.open(newline="") as file:
        for row in csv.DictReader(file):
            key = row["part"], row["factor"]
            found[key][row["method"]][row["file"]] = row
    return found


def of_kind(rows: Rows, kind: str) -> Rows:
    """The frames of a kind; of an empty one, all."""
    return {file: row for file, row in rows.items() if kind in ("", row["kind"])}


def values(rows: Iterable[dict[str, str]], name: str) -> list[float]:
    """A number of each frame."""
    return [float(row[name]) for row in rows]


def levels(rows: Rows) -> tuple[dict[str, float], tuple[float, float]]:
    """Means over frames, and the interval of the PSNR by video."""
    interval = bootstrap_interval(
        values(rows.values(), "psnr"), [row["video"] for row in rows.values()]
    )
    means = {name: float(np.mean(values(rows.values(), name))) for name in NUMBERS}
    return means, interval


def gain(rows: Rows, others: Rows) -> Gain:
    """Difference on the frames that both methods have."""
    files = sorted(set(rows) & set(others))
    videos = [rows[file]["video"] for file in files]
    own, other = ([each[file] for file in files] for each in (rows, others))
    levels = values(own, "psnr"), values(other, "psnr")
    difference = np.subtract(*levels)
    low, high = bootstrap_interval(difference.tolist(), videos)
    ssim = np.subtract(values(own, "ssim"), values(other, "ssim")).mean()
    by_video = defaultdict(list)
    for video, each in zip(videos, difference, strict=True):
        by_video[video].append(each)
    above = sum(np.mean(each) > 0 for each in by_video.values())
    p = paired_wilcoxon(*levels, videos)
    mean = float(difference.mean())
    return Gain(len(files), mean, low, high, float(ssim), above, len(by_video), p)


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes tables of scores.")
    parser.add_argument("scores", type=pathlib.Path)
    arguments = parser.parse_args()
    found = read(arguments.scores)
    for part in sorted({part for part, _ in found}):
        print(f"\n{part}: PSNR / SSIM / MS-SSIM, means over frames\n")
        factors = [factor for each, factor in found if each == part]
        print("| method | " + " | ".join(f"x{each}" for each in factors) + " |")
        print("|---" * (1 + len(factors)) + "|")
        methods = list(dict.fromkeys(m for f in factors for m in found[part, f]))
        for method in methods:
            cells = []
            for factor in factors:
                rows = found[part, factor].get(method)
                means = levels(rows)[0] if rows else None
                cells.append(
                    "-"
                    if means is None
                    else f"{means['psnr']:.2f} / {means['ssim']:.4f} "
                    f"/ {means['ms_ssim']:.4f}"
                )
            print(f"| {method} | " + " | ".join(cells) + " |")
    print(f"\n{OURS} over others\n")
    print("| part | factor | over | frames | dB (95 %) | SSIM | videos above | p |")
    print("|---|---|---|---|---|---|---|---|")
    for (part, factor), methods in found.items():
        pairs = [(OURS, RIVAL, kind) for kind in KINDS]
        equal = [each for each in methods if each.endswith("equal time")]
        pairs += [(f"{OURS}, equal time", each, "all") for each in equal]
        for own, other, kind in pairs:
            if own == other or own not in methods or other not in methods:
                continue
            pair = [of_kind(methods[name], KINDS[kind]) for name in (own, other)]
            if not all(pair):
                continue
            g = gain(*pair)
            # Of one video there is neither.
            several = g.videos > 1
            between = f" ({g.low:+.2f} to {g.high:+.2f})" if several else ""
            print(
                f"| {part} | x{factor} | {other} | {kind} ({g.frames}) "
                f"| {g.decibels:+.2f}{between} | {g.ssim:+.4f} "
                f"| {g.above} of {g.videos} | {f'{g.p:.1g}' if several else '-'} |"
            )


if __name__ == "__main__":
    main()

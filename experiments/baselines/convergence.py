"""Draws PSNR against the iterations of total variation."""

import pathlib
from collections.abc import Sequence
from typing import Any


def draw(path: pathlib.Path, rows: Sequence[Any]) -> None:
    """One line for each protocol and factor, with the best weight.

    Args:
        path: The PNG to write.
        rows: Of `total_variation.csv`.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    for family, style in (("physical", "o-"), ("original", "s--")):
        for factor, colour in ((16, "C0"), (8, "C1"), (4, "C2")):
            case = [row for row in rows if row[:2] == (family, factor)]
            if not case:
                continue
            # The best weight is the one that was tried with most iterations.
            weight = max(case, key=lambda row: row.iterations).weight
            line = sorted((r.iterations, r.psnr) for r in case if r.weight == weight)
            label = f"x{factor}, {family}, {weight:g}"
            axes.plot(*zip(*line, strict=True), style, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_xticks([25, 50, 100, 200], ["25", "50", "100", "200"])
    axes.minorticks_off()
    axes.set_xlabel("iterations")
    axes.set_ylabel("PSNR / dB")
    axes.legend(fontsize=6, ncols=2)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)

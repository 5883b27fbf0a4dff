"""The two figures of a run."""

import pathlib
import re

from bars import best


def draw_speed(times: dict, path: pathlib.Path) -> None:
    """Milliseconds for an image against images in a batch, both logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    counts = set()
    for name in dict.fromkeys(name for name, _ in times):
        points = []
        for other, operation in times:
            match = re.fullmatch(r"degrade63_batch(\d+)", operation)
            seconds = best(times, name, operation)
            if other == name and match and seconds:
                points.append((int(match[1]), 1e3 * seconds / int(match[1])))
        if points:
            ours = name.startswith("ours")
            width = 2.5 if ours else 1.2
            axes.plot(*zip(*sorted(points), strict=True), "o-", lw=width, label=name)
            counts.update(count for count, _ in points)
    axes.set(xscale="log", yscale="log")
    axes.set(xlabel="images in the batch", ylabel="milliseconds per image")
    axes.set_xticks(sorted(counts), [str(count) for count in sorted(counts)])
    axes.minorticks_off()
    axes.set_title("Radon and FBP, 63 views, 512x512, float32, CPU")
    axes.grid(alpha=0.3)
    if counts:
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def draw_errors(checks: dict, path: pathlib.Path) -> None:
    """Errors of the sinograms of the phantom against the exact line integrals."""
    from matplotlib.figure import Figure

    shown = {name: values for name, values in checks.items() if "point" in values}
    names = sorted(shown, key=lambda name: shown[name]["bin"], reverse=True)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for column, shift, label in (
        ("point", 0.2, "at the detector's centre"),
        ("bin", -0.2, "averaged over the detector"),
    ):
        places = [place + shift for place in range(len(names))]
        values = [100 * shown[name][column] for name in names]
        drawn = axes.barh(places, values, 0.38, label=label)
        axes.bar_label(drawn, fmt="%.2f", fontsize="small", padding=2)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("relative L2 error of the sinogram, percent (63 views, ellipses)")
    if names:
        axes.legend(fontsize="small")
    axes.margins(x=0.12)
    figure.savefig(path, dpi=120)

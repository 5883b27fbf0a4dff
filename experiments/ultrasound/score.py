"""Scores everything that fills in columns on the frames of a split.

    python -m experiments.ultrasound.score --data FOLDER --split test \
        --weights scan-line-ultrasound --runs CACHE --output per_image.csv

The frames are what networks of the package are scored on, the middle 256 x 256 pixels,
every 2nd, 4th, 8th or 16th column kept from the first on. `--weights` is a name or
folder for `load`; `--also LABEL=FOLDER` adds runs of the package, for the factor that
they were trained for; in CACHE there are the folders of runs at equal time,
`xFACTOR_RECIPE`. Writes a line for each frame, factor and method; lines that are there
are not measured again. With `--whole` the frames are whole, but for the last columns
where the factor does not divide the width.
"""

import argparse
import csv
import pathlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from experiments.ultrasound.frames import Frame, frames_of, middle
from experiments.ultrasound.methods import CLASSICAL, Method, shipped, trained
from experiments.ultrasound.recipes import RECIPES
from sisr_jax.inference import load
from sisr_jax.metrics import ms_ssim, psnr, ssim
from sisr_jax.ultrasound import LateralDecimation

FIELDS = "file kind video part factor method psnr ssim ms_ssim".split()
FACTORS = (16, 8, 4, 2)
OURS = "Lateral U-Net"
_TOGETHER = 8


@jax.jit
def numbers_of(images: jax.Array, target: jax.Array) -> list[jax.Array]:
    """Scores `[images]` of clipped images."""
    pair = images.clip(0, 1)[..., None], target[..., None]
    return [psnr(*pair), ssim(*pair), ms_ssim(*pair)]


def methods_of(arguments: argparse.Namespace, factor: int) -> dict[str, Method]:
    """All methods for a factor by what tables call them."""
    methods: dict[str, Method] = dict(CLASSICAL)
    if arguments.weights:
        methods[OURS] = shipped(load(arguments.weights))
    for label, folder in arguments.also:
        restorer = load(folder)
        if restorer.config and restorer.config.degradation.factor == factor:
            methods[label] = shipped(restorer)
    for name, recipe in RECIPES.items() if arguments.runs else ():
        run = arguments.runs / f"x{factor}_{name}"
        if (run / "weights.npz").exists():
            label = f"{recipe.label}, equal time"
            methods[label] = trained(run, name, factor)
    if arguments.methods:
        methods = {n: each for n, each in methods.items() if n in arguments.methods}
    return methods


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which frames, which methods, and where the numbers go."""
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--weights", default="", help="name or folder for `load`")
    parser.add_argument("--also", type=_labelled, nargs="+", default=())
    parser.add_argument("--runs", type=pathlib.Path, help="folder of runs")
    parser.add_argument("--factors", type=int, nargs="+", default=FACTORS)
    parser.add_argument("--methods", nargs="+", help="only these")
    parser.add_argument("--output", type=pathlib.Path, required=True)


def _labelled(text: str) -> tuple[str, str]:
    label, _, folder = text.partition("=")
    return label, folder


def parts_of(frames: list[Frame], *, whole: bool) -> Iterator[list[Frame]]:
    """Some frames of one size at a time; of other sizes than whole, their middle."""
    if not whole:
        frames = [each._replace(image=middle(each.image)) for each in frames]
    sizes = sorted({each.image.shape for each in frames})
    for size in sizes:
        alike = [each for each in frames if each.image.shape == size]
        count = 2 if whole else _TOGETHER
        yield from (alike[i : i + count] for i in range(0, len(alike), count))


def main() -> None:
    parser = argparse.ArgumentParser(description="Scores methods on frames.")
    add_arguments(parser)
    parser.add_argument("--whole", action="store_true")
    arguments = parser.parse_args()
    part = "whole" if arguments.whole else "middle"
    frames, done = frames_of(arguments.data, arguments.split), set()
    videos = {name: i for i, name in enumerate(sorted({f.video for f in frames}), 1)}
    if arguments.output.exists():
        with arguments.output.open(newline="") as file:
            done = {
                (row["file"], row["part"], row["factor"], row["method"])
                for row in csv.DictReader(file)
            }
    else:
        arguments.output.write_text(",".join(FIELDS) + "\n")
    for factor in arguments.factors:
        operator = LateralDecimation(factor)
        for name, method in methods_of(arguments, factor).items():
            rows = []
            for some in parts_of(frames, whole=arguments.whole):
                if all((f.file.name, part, str(factor), name) in done for f in some):
                    continue
                target = jnp.asarray(np.stack([each.image for each in some]))
                target = target[..., : target.shape[-1] // factor * factor]
                numbers = numbers_of(method(operator(target), operator), target)
                for frame, *line in zip(some, *jax.device_get(numbers), strict=True):
                    row = [frame.file.name, frame.kind, videos[frame.video], part]
                    rows.append([*row, factor, name, *(f"{n:.5f}" for n in line)])
            with arguments.output.open("a", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
            if rows:
                mean = np.mean([float(row[6]) for row in rows])
                print(part, f"x{factor}", name, len(rows), f"{mean:.3f}", flush=True)


if __name__ == "__main__":
    main()

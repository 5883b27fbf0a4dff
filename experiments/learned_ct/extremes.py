"""How much of a score by the original's protocol two pixels of each image decide.

    python -m experiments.learned_ct.extremes --data FOLDER \
        --weights original.safetensors --output extremes.csv

That protocol scales the target and what is compared with it by their own minimum and
maximum. Here every test slice is scored so, and again with what is restored scaled by
the extremes of the target, which nobody knows who restores; and so is the
back-projection of every second of the 1000 views, eight times as many as the cascade
has.
"""

import argparse
import csv
import pathlib

import jax
import numpy as np
from etils import epath

from experiments.learned_ct.original import FACTOR
from experiments.learned_ct.samplings import every
from experiments.learned_ct.slices import read_slice
from experiments.learned_ct.studies import STUDIES, files_of, full_views
from experiments.learned_ct.weights import configuration, read_stages
from sisr_jax.config import parse
from sisr_jax.image.intensity import own_range
from sisr_jax.metrics import psnr, ssim
from sisr_jax.models import build_generator
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from sisr_jax.tomography.fbp import fbp

STAGES = 2
HALF = 2
FIELDS = "method scale image patient psnr ssim".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--weights", type=epath.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    study = STUDIES["original"]
    params = read_stages(arguments.weights, study, STAGES)
    network = build_generator(parse(configuration(study, STAGES).to_dict()))
    kept, full = ParallelBeamCT(every(FACTOR).beam), full_views()
    half = ParallelBeam(full.domain_shape[0], full.range_shape[0]).every(HALF)

    @jax.jit
    def observe(image: jax.Array) -> tuple[jax.Array, jax.Array]:
        views = full(own_range(image[..., None])[..., 0])
        return full.fbp(views, weights="uniform"), views

    @jax.jit
    def restore(views: jax.Array) -> jax.Array:
        return network.apply({"params": params}, views, views, kept, train=False)

    @jax.jit
    def of_half(views: jax.Array) -> jax.Array:
        return fbp(views[:, ::HALF], half, method="reference", weights="uniform")

    @jax.jit
    def scores(image: jax.Array, target: jax.Array) -> dict[str, tuple]:
        low, high = target.min(), target.max()
        wanted = (target - low) / (high - low)
        scaled = {"own": own_range(image), "target's": (image - low) / (high - low)}
        return {name: (psnr(x, wanted), ssim(x, wanted)) for name, x in scaled.items()}

    rows = []
    for file, patient in files_of(arguments.data, arguments.split).items():
        target, views = observe(read_slice(file, study.window)[None])
        restored = {
            f"cascade, every {FACTOR}th view": restore(views[:, ::FACTOR])[..., 0],
            f"back-projection, every {HALF}nd view": of_half(views),
        }
        for name, image in restored.items():
            found = scores(image[..., None], target[..., None])
            for scale, values in found.items():
                numbers = [float(np.squeeze(value)) for value in values]
                rows.append([name, scale, file.name, patient, *numbers])
        with arguments.output.open("w", newline="") as table:
            csv.writer(table, lineterminator="\n").writerows([FIELDS, *rows])
    for name, scale in sorted({(row[0], row[1]) for row in rows}):
        values = np.array([row[4:] for row in rows if row[:2] == [name, scale]])
        at_least = (values[:, 1] >= 0.95).sum()
        print(
            name, "| scale:", scale, values.mean(0).round(4), "SSIM >= .95:", at_least
        )


if __name__ == "__main__":
    main()

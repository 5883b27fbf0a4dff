"""Scores a cascade, and total variation, on the slices of a split.

    python -m experiments.learned_ct.score --data FOLDER --cache CACHE --split test \
        --weights experiments/learned_ct/x16.npz --output per_image.csv

Writes one line for each slice and method; lines that are there are not measured again,
and patients take turns, so that a run that was stopped has some of each.
`experiments.learned_ct.table` makes the table of them.
"""

import argparse
import csv
import pathlib
from collections import Counter
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from experiments.learned_ct.physics import Scan, make_scan, total_variation
from experiments.learned_ct.pool import BODY, STARTS
from experiments.learned_ct.slices import cached, files_of
from experiments.learned_ct.weights import unpack
from sisr_jax.evaluation.measures import hull, residual
from sisr_jax.metrics import psnr, ssim
from sisr_jax.models.cascade import Cascade

FIELDS = ("file", "patient", "method", "psnr", "ssim", "psnr_mask", "residual")
# After the 40 steps of the starts.
TV = {"weight": 3e-4, "num_steps": 120}


@jax.jit
def measure(scan: Scan, image: jax.Array, arrays: dict) -> dict[str, jax.Array]:
    """The numbers of one image, clipped to [0, 1]."""
    image = jnp.clip(image, 0.0, 1.0)
    target = arrays["target"][..., None]
    body = hull(target > BODY)
    projected = scan.operator(image)[None]
    return {
        "psnr": psnr(image[..., None], target),
        "ssim": ssim(image[..., None], target),
        "psnr_mask": psnr(image[..., None], target, mask=body),
        "residual": residual(projected, arrays["measured"][None])[0],
    }


@jax.jit
def converged(scan: Scan, arrays: dict) -> jax.Array:
    """Total variation, from the cached start of a smaller weight."""
    return total_variation(scan, arrays["weak"], arrays["measured"], **TV)


def restorer(weights: pathlib.Path, scan: Scan, stages: int) -> Callable:
    """The first stages of a cascade, as a function of the cached arrays."""
    variables = {"params": unpack(dict(np.load(weights)))}
    model = Cascade(stages)

    @jax.jit
    def restore(variables: dict, scan: Scan, arrays: dict) -> jax.Array:
        estimate = jnp.stack([arrays[name] for name in STARTS], -1)[None]
        measured = arrays["measured"][None]
        return model.apply(variables, estimate, measured, scan.operator, train=False)

    return lambda arrays: restore(variables, scan, arrays)[0, ..., 0]


def by_turns(files: dict) -> dict:
    """The first file of every patient, then the second of each, and so on."""
    seen: Counter = Counter()
    turns = []
    for file, patient in files.items():
        turns.append((seen[patient], file, patient))
        seen[patient] += 1
    return {file: patient for _, file, patient in sorted(turns)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--weights", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--methods", nargs="+", help="names in the table; default: all")
    arguments = parser.parse_args()
    scan = make_scan(size=512, full=1000, factor=16)
    methods: dict[str, Callable] = {
        "Hann FBP": lambda arrays: arrays["fbp"],
        "TV start": lambda arrays: arrays["weak"],
        "TV": lambda arrays: converged(scan, arrays),
    }
    if arguments.weights:
        names = {path.split("/")[0] for path in np.load(arguments.weights)}
        for stages in range(1, len(names) + 1):
            method = f"Cascade, {stages} stage{'s' if stages > 1 else ''}"
            methods[method] = restorer(arguments.weights, scan, stages)
    files = files_of(arguments.data, arguments.split)
    numbers = {name: i for i, name in enumerate(dict.fromkeys(files.values()), 1)}
    if arguments.methods:
        methods = {name: methods[name] for name in arguments.methods}
    done = set()
    if arguments.output.exists():
        with arguments.output.open(newline="") as file:
            done = {(row["file"], row["method"]) for row in csv.DictReader(file)}
    else:
        arguments.output.write_text(",".join(FIELDS) + "\n")
    for path, patient in by_turns(files).items():
        for name, method in methods.items():
            if (path.name, name) in done:
                continue
            arrays = cached(scan, path, arguments.cache / "starts" / arguments.split)
            scores = jax.device_get(measure(scan, method(arrays), arrays))
            with arguments.output.open("a", newline="") as file:
                row = [path.name, numbers[patient], name]
                csv.writer(file).writerow(
                    [*row, *(f"{float(scores[field]):.5f}" for field in FIELDS[3:])]
                )


if __name__ == "__main__":
    main()

"""Measured fan-beam scans: all views against the organisers, then few of them.

    python -m experiments.fan_beam.measured agreement --data FOLDER
    python -m experiments.fan_beam.measured weights --data FOLDER [--views 60 90 180]
    python -m experiments.fan_beam.measured few --data FOLDER [--views 60 90 180]
    python -m experiments.fan_beam.measured learned --data FOLDER [--views 60 90 180]

FOLDER holds the scans of the Helsinki Tomography Challenge 2022 as published
(10.5281/zenodo.6984868). `agreement` compares filtered back-projections of all views
with those of the organisers; `weights` chooses the weight of total variation on one
scan; `few` reconstructs scans from few views with that weight, and `learned` with the
weights in the box, which were trained on parallel beams, alone and as the image that
total variation starts from. `--scans` takes some of them.
Each writes a CSV beside this file; a run in parts adds to what is there.
"""

import argparse
import csv
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.fan_beam.scans import NAMES, RANGE, TUNED_ON, WINDOW, Scan, load
from sisr_jax import inference
from sisr_jax.metrics import psnr, residual
from sisr_jax.reconstruction.data_consistency import data_consistency
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.tomography import FanBeamCT

HERE = pathlib.Path(__file__).parent
# Of the disc's radius: where attenuation is averaged, and where images are compared.
HOMOGENEOUS, COMPARED = 0.9, 0.98
WEIGHTS = (5e-4, 1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 7e-3, 1e-2)
NUM_ITERATIONS, NUM_STEPS = 300, 30
# Of total variation behind a learned image: chosen on the scan `TUNED_ON`.
NUM_AFTER = 10
# In the box: trained on simulated parallel beams, without noise and with it.
MODELS = ("sparse-view-ct", "sparse-view-ct-any-dose")


class Agreement(NamedTuple):
    """One line of `measured_agreement.csv`; attenuation per mm, shifts in pixels."""

    scan: str
    correlation: float
    scale: float  # of ours over theirs, least squares
    down: float
    right: float
    ours_inside: float
    theirs_inside: float


class Weight(NamedTuple):
    """One line of `measured_weights.csv`, of the scan `TUNED_ON`."""

    views: int
    weight: float
    psnr: float


class Few(NamedTuple):
    """One line of `measured_few.csv`, against the image of all views."""

    scan: str
    views: int
    method: str
    psnr: float
    gain: float  # over the filtered back-projection of as many views
    residual: float  # ||A x - y|| / ||y||


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("agreement", "weights", "few", "learned"))
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--scans", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--views", type=int, nargs="+", default=(60, 90, 180))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    arguments = parser.parse_args()
    names = (TUNED_ON,) if arguments.part == "weights" else arguments.scans
    for name in names:
        scan = load(arguments.data, name)
        if arguments.part == "agreement":
            add("agreement", agreement(name, scan), num_keys=1)
            continue
        for views in arguments.views:
            if arguments.part == "weights":
                tune(scan, views)
            else:
                learned = arguments.part == "learned"
                compare(name, scan, views, arguments.models if learned else None)


def agreement(name: str, scan: Scan) -> Agreement:
    ours, theirs = scan.full, scan.theirs
    # A small shift is a multiple of the gradient.
    gradient = np.stack([each.ravel() for each in np.gradient(theirs)], 1)
    moved = np.linalg.lstsq(gradient, (theirs - ours).ravel(), rcond=None)[0]
    inside = scan.inside(HOMOGENEOUS)
    return Agreement(
        name,
        float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]),
        float(np.vdot(ours, theirs) / np.vdot(theirs, theirs)),
        float(moved[0]),
        float(moved[1]),
        float(ours[inside].mean()),
        float(theirs[inside].mean()),
    )


def tune(scan: Scan, views: int) -> None:
    """PSNR of total variation by its weight."""
    operator, y = measured(scan, views)
    for weight in WEIGHTS:
        image = variation(y, operator, weight)
        add("weights", Weight(views, weight, score(image, scan)), num_keys=2)


def compare(name: str, scan: Scan, views: int, models: Sequence[str] | None) -> None:
    """Reconstructs a scan from few views, by models or without learning."""
    operator, y = measured(scan, views)
    linear = filtered(y, operator)
    weight = best_weight(views)
    if models:
        images = {}
        for model in models:
            image = inference.load(model)(measurement=y, operator=operator).image
            images[model] = image
            images[f"{model}, then TV {weight:g}"] = smoothed(
                image, y, operator, weight
            )
    else:
        images = {
            "FBP": linear,
            "data consistency": consistent(linear, y, operator),
            f"TV {weight:g}": variation(y, operator, weight),
        }
    base = score(linear, scan)
    for method, image in images.items():
        left = float(residual(project(image, operator), y))
        value = score(image, scan)
        add("few", Few(name, views, method, value, value - base, left), num_keys=3)


def best_weight(views: int) -> float:
    """Of total variation, for so many views of the scan `TUNED_ON`."""
    rows = [row for row in read("weights") if int(row["views"]) == views]
    if not rows:
        raise SystemExit(f"no weight for {views} views: run the part `weights` first")
    return float(max(rows, key=lambda row: float(row["psnr"]))["weight"])


def measured(scan: Scan, views: int) -> tuple[FanBeamCT, jax.Array]:
    """Every k-th view and its operator, in units of WINDOW."""
    k = scan.fan.num_angles // views
    y = jnp.asarray(scan.sinogram[::k] / WINDOW, jnp.float32)
    return FanBeamCT(scan.fan.every(k)), y


def score(image: jax.Array, scan: Scan) -> float:
    """PSNR inside the disc, against all views."""
    full = jnp.asarray(scan.full, jnp.float32)
    mask = jnp.asarray(scan.inside(COMPARED))
    return float(psnr(image * WINDOW, full, data_range=RANGE, mask=mask))


@jax.jit
def filtered(y, operator):
    return operator.fbp(y)


@jax.jit
def project(image, operator):
    return operator(image)


@jax.jit
def variation(y, operator, weight):
    return total_variation(y, operator, weight=weight, num_iterations=NUM_ITERATIONS)


@jax.jit
def smoothed(image, y, operator, weight):
    return total_variation(
        y,
        operator,
        weight=weight,
        num_iterations=NUM_AFTER,
        start=image,
        continuation=1.0,
    )


@jax.jit
def consistent(image, y, operator):
    return data_consistency(image, y, operator, num_steps=NUM_STEPS)


def read(name: str) -> list[dict[str, str]]:
    path = HERE / f"measured_{name}.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def add(name: str, row: NamedTuple, *, num_keys: int) -> None:
    """Writes a line in the place of one with the same keys, or at the end."""
    print(*row, flush=True)
    cells = {
        key: f"{value:.6g}" if isinstance(value, float) else str(value)
        for key, value in row._asdict().items()
    }
    keys = row._fields[:num_keys]
    rows = [old for old in read(name) if any(old[key] != cells[key] for key in keys)]
    with (HERE / f"measured_{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, row._fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, cells])


if __name__ == "__main__":
    main()

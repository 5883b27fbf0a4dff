"""Scores a cascade, and total variation, on the slices of a split.

    python -m experiments.learned_ct.score --data FOLDER --split test --stages 2 \
        --output per_image.csv \
        --weights sisr_jax/weights/sparse-view-ct/weights.safetensors

Writes one line for each slice, sampling and method; lines that are there are not
measured again, and patients take turns, so that a run that was stopped has some of
each. `experiments.learned_ct.table` makes the table of them.
"""

import argparse
import csv
import functools
import pathlib
import time
from collections import Counter
from collections.abc import Callable

import jax
import jax.numpy as jnp
from etils import epath

from experiments.learned_ct.pool import BODY
from experiments.learned_ct.samplings import equispaced, every
from experiments.learned_ct.slices import key_of, read_slice
from experiments.learned_ct.studies import STUDIES, Study, dose_name, files_of
from experiments.learned_ct.weights import configuration, read_stages
from sisr_jax.config import parse
from sisr_jax.degradation.dose import LowDose
from sisr_jax.evaluation.measures import hull
from sisr_jax.inference import Restorer
from sisr_jax.metrics import psnr, residual, ssim
from sisr_jax.models import build_generator
from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.tomography import ParallelBeamCT

FIELDS = "file patient sampling method psnr ssim psnr_mask residual seconds".split()
SAMPLINGS = {
    each.name: each
    for each in (
        *(every(factor) for factor in (16, 8, 4)),
        *(equispaced(views) for views in (32, 50, 100)),
    )
}
# Converged: of `experiments/baselines`, and between them on a logarithmic scale.
TV_WEIGHTS = {32: 2.2e-4, 50: 1.3e-4, 63: 1e-4, 100: 6e-5, 125: 5e-5, 250: 2e-5}
# Chosen on validation slices with every 16th view.
TV_MULTIPLES = {None: 1, 1e5: 50, 1e4: 450}
Method = Callable[[jax.Array, LinearOperator], jax.Array]


@jax.jit
def numbers_of(
    operator: LinearOperator, image: jax.Array, target: jax.Array, measured: jax.Array
) -> dict[str, jax.Array]:
    """The numbers of one image."""
    body = hull(target[..., None] > BODY)
    pair = image[..., None], target[..., None]
    return {
        "psnr": psnr(*pair),
        "ssim": ssim(*pair),
        "psnr_mask": psnr(*pair, mask=body),
        "residual": residual(operator(image)[None], measured[None])[0],
    }


@functools.partial(jax.jit, static_argnames="noisy")
def variation(
    y: jax.Array, operator: LinearOperator, weight: float, noisy: bool = False
) -> jax.Array:
    """Total variation at its best.

    With noise the weight is large from the first step on, and its proximal map takes
    more steps.
    """
    options: dict = {"num_inner": 20, "continuation": 1.0} if noisy else {}
    return total_variation(y, operator, weight=weight, **options)


def cascade(weights: epath.Path, study: Study, stages: int) -> Method:
    """A cascade with the weights of a file."""
    config = parse(configuration(study, stages).to_dict())
    params = read_stages(weights, study, stages)
    restorer = Restorer(build_generator(config), {"params": params})
    return lambda y, operator: restorer(measurement=y, operator=operator).image


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
    parser.add_argument("--split", default="test")
    parser.add_argument("--weights", type=epath.Path)
    parser.add_argument("--study", choices=STUDIES, default="noise-free")
    parser.add_argument("--stages", type=int, default=2)
    parser.add_argument(
        "--tv",
        type=float,
        nargs="*",
        metavar="MULTIPLE",
        help="total variation, too, at multiples of its weight; default: at its best",
    )
    parser.add_argument("--slices", type=int, help="only so many, patients by turns")
    parser.add_argument("--samplings", nargs="+", default=["every16"])
    parser.add_argument("--photons", type=float, help="at low dose; default: no noise")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    files = by_turns(files_of(arguments.data, arguments.split))
    numbers = {name: i for i, name in enumerate(sorted(set(files.values())), 1)}
    files = dict(list(files.items())[: arguments.slices])
    done = set()
    if arguments.output.exists():
        with arguments.output.open(newline="") as file:
            done = {
                (row["file"], row["sampling"], row["method"])
                for row in csv.DictReader(file)
            }
    else:
        arguments.output.write_text(",".join(FIELDS) + "\n")
    study, photons = STUDIES[arguments.study], arguments.photons
    dose = None if photons is None else LowDose(photons)
    for sampling in (SAMPLINGS[each] for each in arguments.samplings):
        name = sampling.name + dose_name(dose)
        operator = ParallelBeamCT(sampling.beam)
        weight = TV_WEIGHTS[sampling.beam.num_angles]
        methods: dict[str, Method] = {}
        if arguments.weights:
            method = f"{study.label}, {arguments.stages} stages"
            methods[method] = cascade(arguments.weights, study, arguments.stages)
        if arguments.tv == []:
            best = TV_MULTIPLES[photons] * weight
            methods["TV"] = functools.partial(
                variation, weight=best, noisy=dose is not None
            )
        for multiple in arguments.tv or []:
            one = functools.partial(
                variation, weight=multiple * weight, noisy=dose is not None
            )
            methods[f"TV, {multiple:g} times the weight"] = one
        for path, patient in files.items():
            todo = [m for m in methods if (path.name, name, m) not in done]
            if not todo:
                continue
            slices = read_slice(path, study.window)[None]
            key = key_of(path)[None]
            both = study.observe(slices, key, operator, dose)
            target, measured = (jnp.asarray(each)[0] for each in both)
            for method in todo:
                begin = time.perf_counter()
                image = jax.block_until_ready(methods[method](measured, operator))
                seconds = time.perf_counter() - begin
                scores = jax.device_get(numbers_of(operator, image, target, measured))
                row = [path.name, numbers[patient], name, method]
                row += [f"{float(scores[field]):.7f}" for field in FIELDS[4:8]]
                with arguments.output.open("a", newline="") as file:
                    csv.writer(file, lineterminator="\n").writerow(
                        [*row, f"{seconds:.2f}"]
                    )


if __name__ == "__main__":
    main()

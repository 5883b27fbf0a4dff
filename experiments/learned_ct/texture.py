"""Measures what an adversarial phase buys and costs, in numbers and in a figure.

    python -m experiments.learned_ct.texture --data FOLDER --cache CACHE

Test slices with every 16th view by SRResNet and the cascade for 63 views, and by both
as `adversarial` trained them on. Beside PSNR, SSIM and data residual: noise and its
mean frequency in uniform soft tissue, of the images (the slices themselves have their
own) and of the errors, and where the transfer against the slices falls to a half.
"""

import argparse
import csv
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict

from experiments.learned_ct.recipes import RECIPES
from experiments.learned_ct.samplings import every
from experiments.learned_ct.score import by_turns, numbers_of
from experiments.learned_ct.slices import read_slice
from experiments.learned_ct.studies import STUDIES, files_of
from experiments.learned_ct.weights import configuration, load_stages
from sisr_jax.config import parse
from sisr_jax.evaluation.display import display_of
from sisr_jax.evaluation.figure import comparison_figure
from sisr_jax.evaluation.patient_quality import (
    patient_quality,
    slice_quality,
    uniform_soft_tissue,
)
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.inference import Restorer
from sisr_jax.metrics import mean_frequency, noise_power_spectrum, radial_mean
from sisr_jax.models import build_generator
from sisr_jax.tomography import ParallelBeamCT

HERE = pathlib.Path(__file__).parent
STUDY = STUDIES["specialist"]
STAGES = 3
PIXEL_MM = 0.7  # about that of the slices, of which a PNG says nothing
NUM_BINS = 16
FIGURE = 1  # slices
Method = Callable[[jax.Array, ParallelBeamCT], jax.Array]


def cascade(params: Any) -> Method:
    """The cascade for 63 views."""
    network = build_generator(parse(configuration(STUDY, STAGES).to_dict()))
    restorer = Restorer(network, {"params": params})
    return lambda y, operator: restorer(measurement=y, operator=operator).image


def srresnet(params: Any) -> Method:
    """SRResNet on back-projection."""
    network = RECIPES["SRResNet on back-projection"].network

    @jax.jit
    def restore(y: jax.Array, operator: ParallelBeamCT) -> jax.Array:
        first = operator.fbp(y)[None, ..., None]
        output: Any = network.apply({"params": params}, first, train=False)
        return jnp.clip(output[0, ..., 0], 0, 1)

    return restore


def methods_of(cache: pathlib.Path) -> dict[str, Method]:
    """The four networks by the names of their rows."""
    plain = load_stages(cache / "r_srresnet")["stage_0"]
    stages = load_stages(cache / "spec")
    moved = {
        run: unflatten_dict(dict(np.load(cache / run / name)), sep="/")
        for run, name in (
            ("r_srresnet", "adversarial_0.npz"),
            ("spec", f"adversarial_{STAGES - 1}.npz"),
        )
    }
    last = {f"stage_{STAGES - 1}": moved["spec"]}
    return {
        "SRResNet": srresnet(plain),
        "SRGAN": srresnet(moved["r_srresnet"]),
        "Cascade": cascade(stages),
        "Cascade GAN": cascade(stages | last),
    }


def noise_of(blocks: np.ndarray) -> tuple[float, float]:
    """Deviation in HU and mean frequency in cycles/mm of uniform blocks."""
    spectrum = noise_power_spectrum(blocks, pixel_mm=PIXEL_MM)
    curve = radial_mean(spectrum, pixel_mm=PIXEL_MM, num_bins=NUM_BINS)
    deviation = float(np.sqrt(np.mean(spectrum)) / PIXEL_MM)
    return deviation, float(mean_frequency(curve))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--slices", type=int, help="only so many, patients by turns")
    arguments = parser.parse_args()
    files = list(by_turns(files_of(arguments.data, "test")))[: arguments.slices]
    low, high = STUDY.window
    slices = np.stack([read_slice(file, STUDY.window) for file in files])
    truth = low + slices * (high - low)
    operator = ParallelBeamCT(every(16).beam)
    blocks = [uniform_soft_tissue(each, each) for each in truth]
    rows = [["Slices", "", "", "", *noise_of(np.concatenate(blocks)), "", "", ""]]
    shown = {}
    for name, method in methods_of(arguments.cache).items():
        numbers, qualities, blocks = [], [], []
        for target, hu in zip(slices, truth, strict=True):
            y = operator(jnp.asarray(target))
            image = method(y, operator)
            numbers.append(jax.device_get(numbers_of(operator, image, target, y)))
            restored = low + np.asarray(image) * (high - low)
            qualities.append(slice_quality(restored, hu, pixel_mm=PIXEL_MM))
            blocks.append(uniform_soft_tissue(restored, hu))
            shown.setdefault(name, []).append(np.asarray(image)[..., None])
        means = [
            float(np.mean([each[key] for each in numbers]))
            for key in ("psnr", "ssim", "residual")
        ]
        found = patient_quality(qualities, pixel_mm=PIXEL_MM).numbers[:3]
        own = noise_of(np.concatenate(blocks))
        rows.append([name, *means, *own, *(each.value for each in found)])
        print(rows[-1], flush=True)
    with (HERE / "texture.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            "method psnr ssim residual noise_hu noise_frequency error_hu "
            "error_frequency f50".split()
        )
        writer.writerows(
            [f"{cell:.5g}" if isinstance(cell, float) else cell for cell in row]
            for row in rows
        )
    protocol = protocol_of(parse(configuration(STUDY, STAGES).to_dict()))
    comparison_figure(
        HERE / "texture.png",
        {name: np.stack(images[:FIGURE]) for name, images in shown.items()},
        slices[:FIGURE, ..., None],
        title=f"{protocol.describe()}; images: The Cancer Imaging Archive, CC BY",
        display=display_of(protocol),
    )


if __name__ == "__main__":
    main()

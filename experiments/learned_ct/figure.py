"""Draws the shipped cascade beside total variation: a typical slice and the hardest.

python -m experiments.learned_ct.figure --data FOLDER
"""

import argparse
import pathlib

import jax.numpy as jnp
import numpy as np

from experiments.learned_ct.samplings import every
from experiments.learned_ct.score import TV_WEIGHTS, variation
from experiments.learned_ct.slices import read_slice
from experiments.learned_ct.studies import STUDIES
from sisr_jax.config import parse
from sisr_jax.config.files import load as load_config
from sisr_jax.evaluation.display import display_of
from sisr_jax.evaluation.figure import comparison_figure
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.inference import load
from sisr_jax.tomography import ParallelBeamCT

# Of The Cancer Imaging Archive, test patients: in the middle by PSNR, and the last.
SLICES = ("LIDC-IDRI-0001__20603192_012.png", "TCGA-50-6594__79300360_000.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    window, folder = STUDIES["noise-free"].window, arguments.data / "ct"
    truth = np.stack([read_slice(folder / name, window) for name in SLICES])
    beam = every(16).beam
    operator = ParallelBeamCT(beam)
    measured = operator(jnp.asarray(truth))
    restored = load("sparse-view-ct")(measurement=measured, operator=operator)
    images = {
        "Hann FBP": operator.fbp(measured, filter_name="hann"),
        "Total variation": variation(measured, operator, TV_WEIGHTS[beam.num_angles]),
        "Cascade": restored.image,
    }
    protocol = protocol_of(parse(load_config("ct_cascade").to_dict()))
    comparison_figure(
        pathlib.Path(__file__).with_name("figure.png"),
        {name: np.asarray(each)[..., None] for name, each in images.items()},
        truth[..., None],
        title=protocol.describe(),
        display=display_of(protocol),
    )


if __name__ == "__main__":
    main()

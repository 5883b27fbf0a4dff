"""Writes card and configuration of the shipped weights beside them.

    python -m experiments.learned_ct.card per_image.csv --stages 2 \
        --baselines experiments/baselines/per_image.csv \
        --weights sisr_jax/weights/sparse-view-ct/weights.safetensors
"""

import argparse
import dataclasses
import hashlib
import pathlib

from etils import epath

import sisr_jax
from experiments.learned_ct.intervals import LEVEL
from experiments.learned_ct.samplings import FEWEST, MOST
from experiments.learned_ct.studies import DOSES, STUDIES
from experiments.learned_ct.table import gain, levels, read
from experiments.learned_ct.weights import configuration
from sisr_jax.config import parse
from sisr_jax.config.kept import CONFIG_FILE
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.inference.bundle import CARD_FILE
from sisr_jax.storage.json_files import write_object

ABOUT = {
    "trained_on": (
        "142 slices of 33 patients from collections of The Cancer Imaging Archive "
        "(Clark et al. 2013, doi:10.1007/s10278-013-9622-7), 512 x 512; validated on "
        "22 slices of 7 others, scored on 59 slices of 13 others"
    ),
    "licence_of_the_images": (
        "CC BY 3.0 for training; also CC BY 4.0 for validation, and BSD-3 for three "
        "slices of the test; no re-identification"
    ),
    "licence_of_the_weights": "Apache-2.0",
    "intended_use": (
        "research on reconstruction. Not a medical device: what the views leave open "
        "is filled in from what was seen in training"
    ),
    "train_again": "the commands of experiments/learned_ct/README.md",
}
# Of the 142 slices: the least and the greatest `spacing_x_mm` of the manifest, which
# is `spacing_y_mm` in all of them.
SPACING_MM = [0.55078125, 0.9765625]
UNLIKE = (
    "images unlike those of training, such as drawn phantoms of flat regions: "
    "total variation is better there"
)
OF_STUDY = {
    "noise-free": {
        "interval": {"level": LEVEL, "multiple": 14.96},  # by `intervals`
        "task": "parallel-beam CT slices from few views, without noise",
        "test_split": (
            "scored four times; the steps of consistency at the end, the length of the "
            "training and the number of stages were changed in between"
        ),
        "failures": [
            UNLIKE,
            "slices whose own noise is the larger part of the error (sharp lung "
            "kernels): less is gained there",
            "noise of the measurement, limited arcs, uneven views, other windows: not "
            "trained for",
        ],
    },
    "any-dose": {
        "task": "parallel-beam CT slices from few views, without or with noise",
        "photons": DOSES.range,
        "pixel_mm": DOSES.pixel_mm,
        "test_split": "scored once",
        "failures": [
            UNLIKE,
            "without noise it is below the weights that were trained for that",
            "fewer photons, electronic noise, limited arcs, uneven views, other "
            "windows: not trained for",
        ],
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", type=pathlib.Path)
    parser.add_argument("--baselines", type=pathlib.Path, required=True)
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument("--study", choices=OF_STUDY, default="noise-free")
    parser.add_argument("--stages", type=int, required=True)
    arguments = parser.parse_args()
    study = STUDIES[arguments.study]
    config = parse(configuration(study, arguments.stages).to_dict())
    folder = epath.Path(arguments.weights).parent
    card = {
        **OF_STUDY[arguments.study],
        **ABOUT,
        "window_hu": study.window,
        "spacing_mm": SPACING_MM,
        "views": [FEWEST, MOST],
        "scores": scores_of(arguments.scores, arguments.baselines, study.label),
        "protocol": protocol_of(config).id,
        "sisr_jax": sisr_jax.__version__,
        "sha256": hashlib.sha256(arguments.weights.read_bytes()).hexdigest(),
        "config": dataclasses.asdict(config),
    }
    write_object(folder / CONFIG_FILE, card["config"])
    write_object(folder / CARD_FILE, card)


def scores_of(scores: pathlib.Path, baselines: pathlib.Path, label: str) -> list[dict]:
    """The cascade beside converged total variation, for each sampling."""
    lines = []
    for sampling, methods in read(scores, baselines).items():
        (name,) = (each for each in methods if each.startswith(f"{label},"))
        means, interval = levels(methods[name])
        line = {
            "views": sampling,
            "slices": len(methods[name]),
            **{key: round(value, 7) for key, value in means.items()},
            "psnr_95": [round(value, 2) for value in interval],
        }
        for other in methods:
            if other.startswith("TV"):
                over = gain(methods[name], methods[other])
                line |= {
                    "against": other,
                    "gain_db": round(over.decibels, 2),
                    "gain_95": [round(over.low, 2), round(over.high, 2)],
                    "patients_above": f"{over.above} of {over.patients}",
                }
        lines.append(line)
    return lines


if __name__ == "__main__":
    main()

"""Writes card and configuration of the shipped weights beside them.

    python -m experiments.ultrasound.card \
        --weights sisr_jax/weights/scan-line-ultrasound/weights.safetensors \
        --scores per_image.csv --trained "46 minutes of a processor core"

Without scores the card has none; with them they are those of the whole test split.
"""

import argparse
import dataclasses
import hashlib
import pathlib

from etils import epath

import sisr_jax
from experiments.ultrasound.frames import MOST, WINDOW
from experiments.ultrasound.intervals import LEVEL
from experiments.ultrasound.table import OURS, RIVAL, gain, levels, read
from experiments.ultrasound.weights import configuration
from sisr_jax.config import parse
from sisr_jax.config.kept import CONFIG_FILE
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.inference.bundle import CARD_FILE
from sisr_jax.storage.json_files import write_object

ABOUT = {
    "task": "B-mode frames with missing columns, between the kept ones; no noise",
    "test_split": (
        "scored once for these weights; those before them were scored, too, and all "
        "choices were made on the validation split"
    ),
    "trained_on": (
        "110 frames of 110 fetal heads (HC18, van den Heuvel et al. 2018, "
        "doi:10.5281/zenodo.1327317) and 108 frames of 18 videos of lungs (POCUS, Born "
        "et al. 2021, those marked CC BY); validated on 20 other heads and 6 other "
        "videos, scored on 35 heads, 13 videos of lungs and one of bone (Plus toolkit)"
    ),
    "licence_of_the_images": (
        "CC BY 4.0 (heads), CC BY 2.0 and 4.0 (lungs), BSD-3 (bone, test only)"
    ),
    "licence_of_the_weights": "Apache-2.0",
    "intended_use": (
        "research on fewer scan lines. Not a medical device: what lies between the "
        "lines is filled in from what was seen in training"
    ),
    "failures": [
        "every 2nd column: interpolation is as good on lungs, and better on bone",
        "speckle between the lines is not recovered: it comes out smoother than it is, "
        "and a structure that no kept line crosses is missing",
        "frames are scan-converted: columns of a sector are not the lines that a probe "
        "left out; beams before scan conversion, and cines, are not trained for",
        "columns that were averaged or interpolated, noise, other first columns than "
        "those of an even spacing: not trained for",
        "intervals of smaller factors than 16 are too wide",
    ],
    "train_again": "the commands of experiments/ultrasound/README.md",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes a card.")
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument("--scores", type=pathlib.Path)
    parser.add_argument("--trained", required=True, help="how long")
    arguments = parser.parse_args()
    config = parse(configuration().to_dict())
    folder = epath.Path(arguments.weights).parent
    card = {
        **ABOUT,
        "training": arguments.trained,
        "window": WINDOW,
        # Heads have 0.05 to 0.35 mm, lungs do not say.
        "spacing_mm": None,
        "factors": [2, MOST],
        "interval": {"level": LEVEL, "multiple": 24.93},  # by `intervals`
        "scores": scores_of(arguments.scores) if arguments.scores else [],
        "protocol": protocol_of(config).id,
        "sisr_jax": sisr_jax.__version__,
        "sha256": hashlib.sha256(arguments.weights.read_bytes()).hexdigest(),
        "config": dataclasses.asdict(config),
    }
    write_object(folder / CONFIG_FILE, card["config"])
    write_object(folder / CARD_FILE, card)


def scores_of(scores: pathlib.Path) -> list[dict]:
    """The network beside aligned bicubic interpolation, for each factor."""
    lines = []
    for (part, factor), methods in read(scores).items():
        if part != "middle" or OURS not in methods:
            continue
        means, interval = levels(methods[OURS])
        over = gain(methods[OURS], methods[RIVAL])
        lines.append(
            {
                "columns": f"every{factor}",
                "frames": over.frames,
                **{name: round(value, 5) for name, value in means.items()},
                "psnr_95": [round(value, 2) for value in interval],
                "against": "bicubic interpolation between columns at their places",
                "gain_db": round(over.decibels, 2),
                "gain_95": [round(over.low, 2), round(over.high, 2)],
                "videos_above": f"{over.above} of {over.videos}",
            }
        )
    return lines


if __name__ == "__main__":
    main()

"""Scores a cascade of the study `original` by the original's protocol.

    python -m experiments.learned_ct.original --data FOLDER --stages 2 \
        --weights original.safetensors --output per_image_original.csv

By that protocol each image is scaled by its own minimum and maximum, so that two pixels
decide over the level of all others.
"""

import argparse
import dataclasses
import pathlib
from typing import Any

import flax.linen as nn
import jax
from etils import epath

from experiments.baselines.cases import config_of, measure, split_of
from experiments.learned_ct.samplings import every
from experiments.learned_ct.studies import STUDIES, full_views
from experiments.learned_ct.weights import configuration, read_stages
from sisr_jax.config import parse
from sisr_jax.evaluation.layout import format_details, format_markdown
from sisr_jax.evaluation.table import summarise, write_csv
from sisr_jax.models import build_generator
from sisr_jax.tomography import ParallelBeamCT
from sisr_jax.types import Image, Measurement

FACTOR = 16
STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Learned:
    """A cascade in the place of the baselines.

    Attributes:
        full: All views, of which some are kept.
        operator: Those of them, by the operator that the cascade knows.
        params: Its parameters.
        network: The cascade.
        factor: Every how many-th of all views is kept.
        weights: What a view counts in a reconstruction.
    """

    full: ParallelBeamCT
    operator: ParallelBeamCT
    params: Any
    network: nn.Module = dataclasses.field(metadata=STATIC)
    factor: int = dataclasses.field(default=FACTOR, metadata=STATIC)
    weights: str = dataclasses.field(default="uniform", metadata=STATIC)

    @property
    def names(self) -> tuple[str]:
        """The row of the table."""
        return (self.primary,)

    @property
    def primary(self) -> str:
        """The same."""
        return "Cascade"

    def __call__(self, measurement: Measurement) -> dict[str, Image]:
        """What the cascade makes of views."""
        views = measurement.values
        output: Any = self.network.apply(
            {"params": self.params}, views, views, self.operator, train=False
        )
        return {self.primary: output}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--weights", type=epath.Path, required=True)
    parser.add_argument("--stages", type=int, default=2)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    study = STUDIES["original"]
    learned = Learned(
        full_views(),
        ParallelBeamCT(every(FACTOR).beam),
        read_stages(arguments.weights, study, arguments.stages),
        build_generator(parse(configuration(study, arguments.stages).to_dict())),
    )
    config = config_of(arguments.data, "ct", FACTOR)
    config = dataclasses.replace(
        config, evaluation=dataclasses.replace(config.evaluation, batch_size=2)
    )
    source = split_of(config, arguments.split)
    scores = measure(config, "original", source, learned).scores
    write_csv(arguments.output, scores)
    rows = summarise(scores, learned.primary)
    print(format_markdown(rows), format_details(rows), sep="\n\n")


if __name__ == "__main__":
    main()

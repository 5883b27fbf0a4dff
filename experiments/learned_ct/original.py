"""Scores a cascade of the study `original` by the original's protocol.

    python -m experiments.learned_ct.original --data FOLDER --stages 2 \
        --weights original.safetensors --output per_image_original.csv

By that protocol each image is scaled by its own minimum and maximum, so that two pixels
decide over the level of all others. Those of the target are overshoot and noise, of
which the mean over what is possible, which a squared error teaches, has less. The
second row has the extremes that a line fitted to the validation split expects from
those of the first: the brightest and the darkest pixel get them, and nothing is beyond.
"""

import argparse
import dataclasses
import pathlib
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from experiments.baselines.cases import config_of, measure, split_of
from experiments.learned_ct.samplings import every
from experiments.learned_ct.slices import key_of, read_slice
from experiments.learned_ct.studies import STUDIES, files_of, full_views
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
        line: `[2, 3]`: lowest and highest value expected from those of the output, and
            from 1.
        network: The cascade.
        factor: Every how many-th of all views is kept.
        weights: What a view counts in a reconstruction.
    """

    full: ParallelBeamCT
    operator: ParallelBeamCT
    params: Any
    line: jax.Array
    network: nn.Module = dataclasses.field(metadata=STATIC)
    factor: int = dataclasses.field(default=FACTOR, metadata=STATIC)
    weights: str = dataclasses.field(default="uniform", metadata=STATIC)

    @property
    def names(self) -> tuple[str, ...]:
        """The rows of the table."""
        return "Cascade", self.primary

    @property
    def primary(self) -> str:
        """The better one."""
        return "Cascade, extremes expected"

    def __call__(self, measurement: Measurement) -> dict[str, Image]:
        """What the cascade makes of views, and that with other extremes."""
        views = measurement.values
        output: Any = self.network.apply(
            {"params": self.params}, views, views, self.operator, train=False
        )
        low, high = self.line @ extremes(output)
        low, high = (each[:, None, None, None] for each in (low, high))
        first, last = (
            of(output, (1, 2, 3), keepdims=True) for of in (jnp.min, jnp.max)
        )
        other = jnp.where(output == last, high, jnp.clip(output, low, high))
        other = jnp.where(output == first, low, other)
        return dict(zip(self.names, (output, other), strict=True))


def extremes(images: jax.Array) -> jax.Array:
    """`[3, batch]`: lowest and highest value of each image, and 1."""
    axes = tuple(range(1, images.ndim))
    low, high = images.min(axes), images.max(axes)
    return jnp.stack([low, high, jnp.ones_like(low)])


def fitted(learned: Learned, data: pathlib.Path) -> Learned:
    """With the line that is best for the validation split."""
    study, pairs = STUDIES["original"], []
    restore = jax.jit(lambda learned, y: learned(Measurement(y, None))["Cascade"])
    for file in files_of(data, "validation"):
        slices = read_slice(file, study.window)[None]
        target, y = study.observe(slices, key_of(file)[None], learned.operator, None)
        images = restore(learned, y), target
        pairs.append([np.asarray(extremes(image))[:, 0] for image in images])
    seen, wanted = np.moveaxis(np.array(pairs), 1, 0)
    line, *_ = np.linalg.lstsq(seen, wanted[:, :2])
    return dataclasses.replace(learned, line=jnp.asarray(line.T, jnp.float32))


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
        jnp.eye(2, 3),
        build_generator(parse(configuration(study, arguments.stages).to_dict())),
    )
    learned = fitted(learned, arguments.data)
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

"""Writes the weights of a run of `train` as they are shipped.

python -m experiments.learned_ct.weights CACHE/RUN sparse-view-ct/weights.safetensors
"""

import argparse
import pathlib
from typing import Any

import numpy as np
from etils import epath
from flax.traverse_util import unflatten_dict
from ml_collections import ConfigDict

from experiments.learned_ct.studies import Study
from sisr_jax.config import parse
from sisr_jax.config.files import load
from sisr_jax.inference.variables import variable_shapes
from sisr_jax.inference.weights_file import read_weights, write_weights


def load_stages(run: pathlib.Path) -> Any:
    """Parameters of a `Cascade` from what a run of `train` saved."""
    paths = sorted(run.glob("weights_*.npz"))
    return {
        f"stage_{number}": unflatten_dict(dict(np.load(path)), sep="/")
        for number, path in enumerate(paths)
    }


def configuration(study: Study, num_stages: int) -> ConfigDict:
    """The configuration of a cascade that was trained here."""
    config = load("ct_cascade")
    config.generator.update(
        num_stages=num_stages,
        num_last_steps=study.last_steps,
        start_weights=study.start_weights,
    )
    return config


def read_stages(path: epath.Path, study: Study, num_stages: int) -> Any:
    """Parameters of a `Cascade` from a file of weights."""
    config = parse(configuration(study, num_stages).to_dict())
    return read_weights(path, variable_shapes(config)["params"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path, help="folder of a run of train")
    parser.add_argument("output", type=epath.Path)
    arguments = parser.parse_args()
    # With 16 bits three stages would take 5 MB; those of 128 channels can do with 8.
    write_weights(arguments.output, load_stages(arguments.run), narrow_from=100_000)


if __name__ == "__main__":
    main()

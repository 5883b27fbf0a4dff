"""Writes the weights of a run of `train` as they are shipped.

python -m experiments.learned_ct.weights CACHE/RUN sparse-view-ct.safetensors
"""

import argparse
import pathlib
from typing import Any

import numpy as np
from etils import epath
from flax.traverse_util import unflatten_dict

from sisr_jax.inference.weights_file import write_weights


def load_stages(run: pathlib.Path) -> Any:
    """Parameters of a `Cascade` from what a run of `train` saved."""
    paths = sorted(run.glob("weights_*.npz"))
    return {
        f"stage_{number}": unflatten_dict(dict(np.load(path)), sep="/")
        for number, path in enumerate(paths)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path, help="folder of a run of train")
    parser.add_argument("output", type=epath.Path)
    arguments = parser.parse_args()
    write_weights(arguments.output, load_stages(arguments.run))


if __name__ == "__main__":
    main()

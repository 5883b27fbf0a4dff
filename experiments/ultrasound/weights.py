"""Writes the weights of a run of `train` as they are shipped.

python -m experiments.ultrasound.weights RUN scan-line-ultrasound/weights.safetensors
"""

import argparse
import pathlib

from etils import epath
from ml_collections import ConfigDict

from experiments.ultrasound.recipes import RECIPES
from experiments.ultrasound.train import load_params
from sisr_jax.config.files import load
from sisr_jax.inference.weights_file import write_weights


def configuration() -> ConfigDict:
    """The configuration of the network that is shipped, at every 16th column."""
    network = RECIPES["lateral"].network(None)
    config = load("us_srresnet")
    config.generator = ConfigDict(
        {
            "kind": "lateral",
            "widths": tuple(network.widths),
            "num_blocks": network.num_blocks,
            "slopes": network.slopes,
        }
    )
    config.loss.pixel = "log_mse"
    config.optimizer.generator.learning_rate = 1e-3
    return config


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes weights as they are shipped.")
    parser.add_argument("run", type=pathlib.Path, help="folder of a run of train")
    parser.add_argument("output", type=epath.Path)
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    # With 16 bits all of it takes 3 MB.
    write_weights(arguments.output, load_params(arguments.run))


if __name__ == "__main__":
    main()

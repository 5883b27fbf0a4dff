"""Chooses the weights of total variation on some validation frames.

python -m experiments.ultrasound.tune --data FOLDER
"""

import argparse
import pathlib

import jax.numpy as jnp
import numpy as np

from experiments.ultrasound.frames import frames_of, middle
from experiments.ultrasound.methods import variation
from sisr_jax.metrics import psnr
from sisr_jax.ultrasound import LateralDecimation


def main() -> None:
    parser = argparse.ArgumentParser(description="Chooses weights of total variation.")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    frames = frames_of(arguments.data, "validation")[::7]
    target = jnp.asarray(np.stack([middle(each.image) for each in frames]))
    for factor in (2, 4, 8, 16):
        operator = LateralDecimation(factor)
        for weight in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3):
            found = variation(operator(target), operator, weight=weight)
            level = float(psnr(found[..., None], target[..., None]).mean())
            print(f"x{factor} {weight:g} {len(frames)} {level:.3f}", flush=True)


if __name__ == "__main__":
    main()

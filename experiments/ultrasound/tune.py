"""Chooses the weights of the classical methods on some validation frames.

python -m experiments.ultrasound.tune --data FOLDER
"""

import argparse
import pathlib

import jax.numpy as jnp
import numpy as np

from experiments.ultrasound.frames import frames_of, middle
from experiments.ultrasound.methods import sparse, variation
from sisr_jax.metrics import psnr
from sisr_jax.ultrasound import LateralDecimation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    frames = frames_of(arguments.data, "validation")[::7]
    target = jnp.asarray(np.stack([middle(each.image) for each in frames]))
    tried = {
        variation: ("weight", (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3)),
        sparse: ("threshold", (0.01, 0.03, 0.1)),
    }
    for factor in (2, 4, 8, 16):
        operator = LateralDecimation(factor)
        for method, (name, values) in tried.items():
            for value in values:
                found = method(operator(target), operator, **{name: value})
                level = float(psnr(found[..., None], target[..., None]).mean())
                print(f"x{factor} {name} {value:g} {len(frames)} {level:.3f}")


if __name__ == "__main__":
    main()

"""Times the convolutions of the CT generator one by one: XLA's form and ours.

    python experiments/step_speed/convolutions.py

Forward, input gradient and kernel gradient of `lax.conv`, and the kernel gradient
of `sisr_jax.models.convolution`, taking turns; the least of ten, in milliseconds.
"""

import argparse
import csv
import pathlib
import time
from functools import partial

import jax
from jax import lax

from sisr_jax.models.convolution import convolve

LAYERS = (
    # name, kernel side, inputs, outputs, image side
    ("first", 3, 1, 64, 512),
    ("down", 3, 256, 64, 256),
    ("down", 3, 256, 64, 128),
    ("block", 3, 64, 64, 32),
    ("up", 3, 64, 256, 128),
    ("up", 3, 64, 256, 256),
    ("last", 9, 64, 1, 512),
)
COLUMNS = ("forward", "input_gradient", "kernel_gradient", "kernel_gradient_ours")


def plain(image, kernel):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        image, kernel, (1, 1), "SAME", dimension_numbers=numbers
    )


def pull_back(function, argument, image, kernel, cotangent):
    return jax.vjp(function, image, kernel)[1](cotangent)[argument]


def main():
    rows = []
    for name, size, inputs, outputs, side in LAYERS:
        keys = jax.random.split(jax.random.key(0), 3)
        image = jax.random.normal(keys[0], (1, side, side, inputs))
        kernel = jax.random.normal(keys[1], (size, size, inputs, outputs))
        cotangent = jax.random.normal(keys[2], (1, side, side, outputs))
        programs = (
            jax.jit(lambda i, k, _: plain(i, k)),
            jax.jit(partial(pull_back, plain, 0)),
            jax.jit(partial(pull_back, plain, 1)),
            jax.jit(partial(pull_back, convolve, 1)),
        )
        best = [float("inf")] * len(programs)
        for _ in range(11):  # the first call compiles
            for i, program in enumerate(programs):
                start = time.perf_counter()
                jax.block_until_ready(program(image, kernel, cotangent))
                best[i] = min(best[i], 1e3 * (time.perf_counter() - start))
        layer = f"{name} {size}x{size} {inputs}->{outputs} at {side}"
        rows.append((layer, *(f"{value:.1f}" for value in best)))
        print(*rows[-1], flush=True)
    path = pathlib.Path(__file__).with_name("convolutions.csv")
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("layer", *COLUMNS), *rows])


if __name__ == "__main__":
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    main()

"""Computes the starts of every sample of some splits, once, into a cache folder."""

import argparse
import itertools
import pathlib
import time

import jax
import jax.numpy as jnp
import numpy as np

from experiments.learned_ct.slices import (
    TOGETHER,
    measure_and_start,
    read_slice,
    samples_of,
    save,
)
from sisr_jax.tomography import ParallelBeamCT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--splits", nargs="+", default=["validation", "train"])
    arguments = parser.parse_args()
    folder = arguments.cache / "starts"
    begin = time.perf_counter()
    for split in arguments.splits:
        samples = samples_of(arguments.data, split)
        todo = [each for each in samples if not each.path(folder).exists()]
        for sampling, found in itertools.groupby(todo, lambda each: each.sampling):
            operator, group, levels = ParallelBeamCT(sampling.beam), list(found), []
            for first in range(0, len(group), TOGETHER):
                part = group[first : first + TOGETHER]
                target = np.stack([read_slice(each.file) for each in part])
                # Of one shape, so that a sampling is compiled once.
                full = np.concatenate([target] * TOGETHER)[:TOGETHER]
                arrays = measure_and_start(operator, jnp.asarray(full))
                measured, images = jax.device_get(arrays)
                for each, *values in zip(part, measured, images, target, strict=False):
                    names = "measured", "starts", "target"
                    save(each.path(folder), dict(zip(names, values, strict=True)))
                error = np.square(images[: len(part)].clip(0, 1) - target[..., None])
                levels += list(-10 * np.log10(error.mean((1, 2))))
            small, large, linear = np.mean(levels, 0)
            print(
                f"{split} {sampling.name}, {len(levels)} slices, "
                f"{time.perf_counter() - begin:.0f} s: small weight {small:.2f}, "
                f"large {large:.2f}, back-projection {linear:.2f} dB",
                flush=True,
            )


if __name__ == "__main__":
    main()

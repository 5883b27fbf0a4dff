"""Computes the starts of every sample of some splits, once, into a cache folder."""

import argparse
import functools
import itertools
import pathlib
import time

import jax
import jax.numpy as jnp
import numpy as np

from experiments.learned_ct.slices import key_of, read_slice, save
from experiments.learned_ct.studies import STUDIES, samples_of
from sisr_jax.reconstruction.starts import starts
from sisr_jax.tomography import ParallelBeamCT

# Slices of one sampling in a call: its compilation is shared.
TOGETHER = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--study", choices=STUDIES, default="noise-free")
    parser.add_argument("--splits", nargs="+", default=["validation", "train"])
    arguments = parser.parse_args()
    study = STUDIES[arguments.study]
    start = jax.jit(functools.partial(starts, multiples=study.start_weights))
    folder = arguments.cache / "starts"
    begin = time.perf_counter()
    for split in arguments.splits:
        samples = samples_of(study, arguments.data, split)
        todo = [each for each in samples if not each.path(folder).exists()]
        groups = itertools.groupby(todo, lambda each: (each.sampling, each.dose))
        for (sampling, dose), found in groups:
            operator, group, levels = ParallelBeamCT(sampling.beam), list(found), []
            for first in range(0, len(group), TOGETHER):
                part = group[first : first + TOGETHER]
                # Of one shape, so that a sampling is compiled once.
                full = (part * TOGETHER)[:TOGETHER]
                slices = np.stack(
                    [read_slice(each.file, study.window) for each in full]
                )
                keys = jnp.stack([key_of(each.file) for each in full])
                target, measured = study.observe(slices, keys, operator, dose)
                arrays = target, measured, start(measured, operator)
                target, measured, images = jax.device_get(arrays)
                for each, *values in zip(part, measured, images, target, strict=False):
                    names = "measured", "starts", "target"
                    save(each.path(folder), dict(zip(names, values, strict=True)))
                error = np.square(images.clip(0, 1) - target[..., None])
                levels += list(-10 * np.log10(error.mean((1, 2))))[: len(part)]
            means = " ".join(f"{level:.2f}" for level in np.mean(levels, 0))
            print(
                f"{split} {group[0].protocol}, {len(levels)} slices, "
                f"{time.perf_counter() - begin:.0f} s: weights "
                f"{study.start_weights} and back-projection: {means} dB",
                flush=True,
            )


if __name__ == "__main__":
    main()

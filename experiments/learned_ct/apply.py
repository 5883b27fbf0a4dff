"""Computes the inputs of the next stage for every sample, see `train`."""

import argparse
import pathlib
import random

import jax

from experiments.learned_ct.pool import pools_of
from experiments.learned_ct.recipes import RECIPES
from experiments.learned_ct.slices import save
from experiments.learned_ct.studies import STUDIES
from experiments.learned_ct.train import finish
from experiments.learned_ct.weights import load_stages
from sisr_jax.tomography import ParallelBeamCT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--study", choices=STUDIES, default="noise-free")
    parser.add_argument("--run", required=True)
    parser.add_argument("--stage", type=int, required=True)
    arguments = parser.parse_args()
    stage, run = arguments.stage, arguments.cache / arguments.run
    params = load_stages(run)[f"stage_{stage}"]
    pools = pools_of(
        STUDIES[arguments.study], arguments.data, arguments.cache, arguments.run, stage
    )
    work = {}
    for pool in pools.values():
        for group in pool.groups.values():
            for sample, each in group.items():
                work.setdefault(sample.sampling, []).append((sample, each))
    # Mixed: a training that begins meanwhile sees many samplings.
    samplings = list(work)
    random.Random(0).shuffle(samplings)
    for sampling in samplings:
        operator = ParallelBeamCT(sampling.beam)
        for sample, each in work[sampling]:
            path = sample.path(run / f"stage_{stage}")
            if not path.exists():
                arrays = each["inputs"], each["measured"]
                images = finish(RECIPES["stage"], params, *arrays, operator)
                output, consistent = jax.device_get(images)
                save(path, {"output": output, "consistent": consistent})
        print(sampling.name, len(work[sampling]), flush=True)


if __name__ == "__main__":
    main()

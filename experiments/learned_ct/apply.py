"""Computes the inputs of the next stage for every slice, see `train`."""

import argparse
import pathlib
import random

import jax

from experiments.learned_ct.physics import make_scan
from experiments.learned_ct.pool import pools_of
from experiments.learned_ct.slices import save
from experiments.learned_ct.train import finish
from experiments.learned_ct.weights import load_stages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--stage", type=int, required=True)
    arguments = parser.parse_args()
    stage, run = arguments.stage, arguments.cache / arguments.run
    scan = make_scan(size=512, full=1000, factor=16)
    params = load_stages(run)[f"stage_{stage}"]
    pools = pools_of(arguments.data, arguments.cache, arguments.run, stage)
    work = [
        (run / f"stage_{stage}" / split / f"{name}.npz", each)
        for split, pool in pools.items()
        for name, each in pool.slices.items()
    ]
    # Patients mixed: a training that begins meanwhile sees many of them.
    random.Random(0).shuffle(work)
    for path, each in work:
        if not path.exists():
            images = finish(params, each["inputs"], each["measured"], scan)
            output, consistent = jax.device_get(images)
            save(path, {"output": output.clip(0, 1), "consistent": consistent})


if __name__ == "__main__":
    main()

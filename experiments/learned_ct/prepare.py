"""Computes the starts of every slice of some splits, once, into a cache folder."""

import argparse
import pathlib
import random
import time

import numpy as np

from experiments.learned_ct.physics import make_scan
from experiments.learned_ct.slices import cached, files_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--splits", nargs="+", default=["validation", "train"])
    arguments = parser.parse_args()
    scan = make_scan(size=512, full=1000, factor=16)
    for split in arguments.splits:
        files = list(files_of(arguments.data, split))
        # Patients mixed: a training that begins meanwhile sees many of them.
        random.Random(0).shuffle(files)
        begin = time.perf_counter()
        levels = []
        for file in files:
            each = cached(scan, file, arguments.cache / "starts" / split)
            levels.append(
                [
                    -10
                    * np.log10(np.square(each[k].clip(0, 1) - each["target"]).mean())
                    for k in ("fbp", "strong", "weak")
                ]
            )
            print(
                f"{split} {len(levels)} of {len(files)}, "
                f"{time.perf_counter() - begin:.0f} s: fbp, strong, weak "
                f"{np.mean(levels, 0).round(2)} dB",
                flush=True,
            )


if __name__ == "__main__":
    main()

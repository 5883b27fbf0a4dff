"""Tries settings of total variation on slices of the train split.

    python -m experiments.baselines.tune --data FOLDER [--only physical 16]

FOLDER as in `run`; writes `tuning.csv` beside this file. Twice the iterations show how
far the result is from converged.
"""

import argparse
import dataclasses
import pathlib

from experiments.baselines.cases import config_of, measure, split_of
from sisr_jax.data.sources import spread
from sisr_jax.degradation import modality_of
from sisr_jax.degradation.ct_baselines import TotalVariation
from sisr_jax.evaluation.protocol import config_of as as_measured
from sisr_jax.evaluation.table import summarise

HERE = pathlib.Path(__file__).parent
NUM_SLICES = 6
# Family, factor, iterations and the weights that are tried with them.
TUNED = (
    ("physical", 16, 150, (1e-4, 3e-4, 5e-4, 1e-3)),
    ("physical", 16, 300, (3e-4,)),
    ("physical", 8, 150, (3e-5, 5e-5, 1e-4)),
    ("physical", 4, 150, (3e-6, 1e-5, 3e-5)),
    ("original", 16, 150, (3e-4, 1e-3, 3e-3)),
    ("original", 8, 150, (1e-4, 3e-4, 1e-3)),
    ("original", 4, 150, (3e-5, 1e-4, 3e-4)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "tuning.csv")
    parser.add_argument("--only", nargs=2, metavar=("FAMILY", "FACTOR"))
    arguments = parser.parse_args()
    tuned = TUNED
    if arguments.only:
        family, factor = arguments.only
        tuned = [each for each in TUNED if each[:2] == (family, int(factor))]
    tune(arguments.data.resolve(), arguments.output, tuned)


def tune(data: pathlib.Path, path: pathlib.Path, tuned) -> None:
    """Total variation of some settings on slices of the train split."""
    lines = [("family", "factor", "iterations", "weight", "psnr", "ssim")]
    for family, factor, num_iterations, weights in tuned:
        config = config_of(data, "ct", factor)
        source = spread(split_of(config, "train"), NUM_SLICES)
        values = dataclasses.replace(config.evaluation, batch_size=len(source))
        config = dataclasses.replace(config, evaluation=values)
        adapted = as_measured(config, family)
        baselines = modality_of(adapted).baselines(adapted)
        for weight in weights:
            settings = TotalVariation(weight, num_iterations)
            tried = dataclasses.replace(baselines, settings=settings)
            scores = measure(config, family, source, tried).scores
            row = summarise(scores[-len(source) :])[0]
            where = family, str(factor), str(num_iterations), f"{weight:g}"
            lines.append((*where, f"{row.psnr:.2f}", f"{row.ssim:.3f}"))
            print(*lines[-1], flush=True)
            path.write_text("".join(f"{','.join(line)}\n" for line in lines))


if __name__ == "__main__":
    main()

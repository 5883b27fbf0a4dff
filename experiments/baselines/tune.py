"""Tries settings of total variation on two slices of the train split.

    python -m experiments.baselines.tune --data FOLDER

FOLDER as in `run`; writes `tuning.csv` beside this file. More iterations show how far
the result is from converged.
"""

import argparse
import dataclasses
import pathlib

from experiments.baselines.cases import config_of, measure, split_of
from sisr_jax.data.sources import spread
from sisr_jax.evaluation.baselines import with_total_variation
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.table import summarise
from sisr_jax.reconstruction.total_variation import Settings

HERE = pathlib.Path(__file__).parent
# Factor, iterations and the weights that are tried with them.
TUNED = (
    (16, 60, (1e-4, 3e-4, 1e-3)),
    (16, 180, (3e-5, 1e-4)),
    (8, 60, (3e-6, 1e-5, 3e-5)),
    (8, 180, (1e-5, 3e-5)),
    (4, 60, (1e-6, 3e-6, 1e-5, 3e-5, 1e-4)),
    (4, 180, (3e-6, 1e-5)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "tuning.csv")
    arguments = parser.parse_args()
    tune(arguments.data.resolve(), arguments.output)


def tune(data: pathlib.Path, path: pathlib.Path) -> None:
    """Total variation of some settings on two slices of the train split."""
    lines = [("factor", "iterations", "weight", "psnr", "ssim")]
    for factor, num_iterations, weights in TUNED:
        config = config_of(data, "ct", factor)
        source = spread(split_of(config, "train"), 2)
        values = dataclasses.replace(config.evaluation, batch_size=len(source))
        config = dataclasses.replace(config, evaluation=values)
        for weight in weights:
            methods = with_total_variation(Settings(weight, num_iterations))
            scores = measure(config, protocol_of(config), source, methods).scores
            row = summarise(scores[-len(source) :])[0]
            numbers = f"{row.psnr:.2f}", f"{row.ssim:.3f}"
            lines.append((str(factor), str(num_iterations), f"{weight:g}", *numbers))
            print(*lines[-1], flush=True)
            path.write_text("".join(f"{','.join(line)}\n" for line in lines))


if __name__ == "__main__":
    main()

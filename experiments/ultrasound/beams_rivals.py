"""The network and its rivals in beam space, each with as much processor time.

    python -m experiments.ultrasound.beams_rivals --cache CACHE --factor 4 --minutes 3

The recipes of `rivals.py`, SRResNet, and the network at the width of
`configs/us_beams.py`, from scratch on the same simulated frames: a pool of `POOL`
frames of each of two arrays, 128 samples deep, that is made once and whose time does
not count. Test frames are of maps and keys of the test, 256 samples deep, as MS-SSIM
needs, also of the array that no training sees. CACHE keeps the runs,
`xFACTOR_RECIPE`; one that was stopped goes on. Writes a line for each array and
method: means over frames, and what ours is above it, with intervals by frame.
"""

import argparse
import csv
import pathlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from experiments.ultrasound.beams_information import WINDOW, frames
from experiments.ultrasound.beams_score import interval
from experiments.ultrasound.frames import BATCH, CROP, SIZE
from experiments.ultrasound.methods import Method, trained
from experiments.ultrasound.recipes import RECIPES
from experiments.ultrasound.score import numbers_of
from experiments.ultrasound.train import errors, save_params, train
from sisr_jax.degradation.beams import shown
from sisr_jax.degradation.beams_modality import BeamBaselines
from sisr_jax.types import Measurement
from sisr_jax.ultrasound import LateralDecimation
from sisr_jax.ultrasound.arrays import ARRAYS

OURS, RIVALS = "small", ("srresnet", "edsr", "swinir")
KNOWN = ("curved", "linear")
# Few are learned by heart: with 320 of each array, a network gains 2 dB on these alone.
POOL, VALIDATION, TEST = 4000, 8, 32
SCORES = "psnr", "ssim", "ms_ssim"
_TOGETHER = 8


def pool(count: int, first: int) -> np.ndarray:
    """Frames of the arrays of the training as they are shown, `[2 * count, ...]`.

    Args:
        count: Of each array.
        first: Number of the first map, and of the first key.
    """
    parts = []
    for start in range(first, first + count, _TOGETHER):
        for array in KNOWN:
            samples, *_ = frames(array, CROP, _TOGETHER, maps=start, keys=start)
            parts.append(np.asarray(shown(samples, WINDOW)))
    return np.concatenate(parts)


def kept_lines(factor: int) -> np.ndarray:
    """Those of a batch, `[batch, lines]`."""
    kept = np.arange(SIZE) % factor == 0
    return np.tile(kept, (BATCH, 1)).astype(np.float32)


def train_all(cache: pathlib.Path, factor: int, minutes: float) -> None:
    """Trains what is not trained yet."""
    shots, held = pool(POOL, 0), pool(VALIDATION, POOL)
    kept = kept_lines(factor)

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return shots[rng.integers(len(shots), size=BATCH)], kept

    for name in (OURS, *RIVALS):
        recipe, run = RECIPES[name], cache / f"x{factor}_{name}"
        if (run / "trained").exists():
            continue
        run.mkdir(parents=True, exist_ok=True)

        def validation(params, recipe=recipe) -> list[list]:
            parts = np.split(held, len(held) // BATCH)
            error = [errors(recipe, factor, params, each, kept) for each in parts]
            level = -10 * np.log10(np.concatenate(error)).mean()
            return [[f"beams x{factor}", len(held), f"{level:.3f}", ""]]

        save_params(run, train(recipe, factor, minutes, run, draw, validation))
        (run / "trained").touch()


def interpolated(lines: jax.Array, operator: LateralDecimation) -> dict[str, jax.Array]:
    """Levels of the interpolations."""
    found = jax.jit(BeamBaselines(WINDOW))(Measurement(lines, operator))
    return {name: each[..., 0] for name, each in found.items()}


def scored(
    array: str, factor: int, networks: dict[str, Method]
) -> Iterator[tuple[str, np.ndarray]]:
    """Names of methods, and their scores on test frames of an array, `[3, frames]`."""
    samples, *_ = frames(array, (SIZE, SIZE), TEST)
    truth, operator = shown(samples, WINDOW), LateralDecimation(factor)
    lines = operator(truth)
    images = interpolated(lines, operator)
    for name, restore in networks.items():
        parts = jnp.array_split(lines, TEST // _TOGETHER)
        images[name] = jnp.concatenate([restore(each, operator) for each in parts])
    for name, image in images.items():
        yield name, np.stack(numbers_of(image, truth))


def main() -> None:
    """Trains, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=3)
    options = parser.parse_args()
    cache, factor = options.cache, options.factor
    train_all(cache, factor, options.minutes)
    networks = {
        RECIPES[name].label: trained(cache / f"x{factor}_{name}", name, factor)
        for name in (OURS, *RIVALS)
    }
    rows = []
    for array in ARRAYS:
        found = dict(scored(array, factor, networks))
        ours = found[RECIPES[OURS].label]
        for name, scores in found.items():
            row = {"array": array, "factor": factor, "method": name}
            means = [f"{mean:.4f}" for mean in scores.mean(1)]
            row |= dict(zip(SCORES, means, strict=True))
            for key, gain in zip(SCORES[::2], (ours - scores)[::2], strict=True):
                low, high = interval(gain)
                row[f"ours_above_{key}"] = f"{gain.mean():.4f}"
                row |= {f"{key}_low": f"{low:.4f}", f"{key}_high": f"{high:.4f}"}
            rows.append(row)
            print(*row.values(), flush=True)
    path = pathlib.Path(__file__).with_name(f"beams_rivals_x{factor}.csv")
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()

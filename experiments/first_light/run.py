"""Trains every configuration on real images for about 20 CPU minutes each.

    python experiments/first_light/run.py --data FOLDER [--only NAME ...]

FOLDER holds `ct/`, `us/` (PNG) and `manifest.csv` (columns file, split,
patient_id). Each run is the plain command of the README with a number of steps
that two cores manage in the time; tables, per-image scores and figures of the
test split are copied beside this file, and `results.csv` gets a row a method.
"""

import argparse
import csv
import os
import pathlib
import resource
import shutil
import subprocess
import sys
from typing import NamedTuple

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]


class Run(NamedTuple):
    name: str
    config: str
    folder: str
    starts_from: str
    overrides: tuple[str, ...]


FAST = (
    "optimizer.generator.learning_rate=1e-3",
    "log.every_steps=20",
    "evaluation.batch_size=4",
)
CT = (
    *FAST,
    "data.batch_size=4",
    "evaluation.num_validation=8",
    "degradation.method=reference",
    "degradation.weights=uniform",
)
US = (*FAST, "evaluation.num_validation=16")


def _srresnet(steps: int) -> tuple[str, ...]:
    return (f"phases.generator={steps}", *_every(steps // 4))


def _srgan(discriminator: int, adversarial: int) -> tuple[str, ...]:
    return (
        "phases.generator=0",
        f"phases.discriminator={discriminator}",
        f"phases.adversarial={adversarial}",
        "optimizer.generator.learning_rate=1e-4",
        *_every(adversarial // 3),
    )


def _every(steps: int) -> tuple[str, ...]:
    names = (
        "evaluation.every_steps",
        "checkpoint.every_steps",
        "log.images_every_steps",
    )
    return tuple(f"{name}={steps}" for name in names)


X4 = (*US, "degradation.factor=4")
RUNS = (
    Run("ct_x16_srresnet", "ct_srresnet", "ct", "", (*CT, *_srresnet(1000))),
    Run("ct_x16_srgan", "ct_srgan", "ct", "ct_x16_srresnet", (*CT, *_srgan(60, 390))),
    Run("us_x16_srresnet", "us_srresnet", "us", "", (*US, *_srresnet(900))),
    Run("us_x16_srgan", "us_srgan", "us", "us_x16_srresnet", (*US, *_srgan(50, 270))),
    Run("us_x4_srresnet", "us_srresnet", "us", "", (*X4, *_srresnet(560))),
    Run("us_x4_srgan", "us_srgan", "us", "us_x4_srresnet", (*X4, *_srgan(40, 210))),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs/first_light")
    parser.add_argument("--only", nargs="*", default=[run.name for run in RUNS])
    arguments = parser.parse_args()
    for run in RUNS:
        if run.name in arguments.only:
            minutes = _train(run, arguments.data.resolve(), arguments.runs.resolve())
            _collect(run, arguments.runs / run.name, minutes)


def _train(run: Run, data: pathlib.Path, runs: pathlib.Path) -> float:
    overrides = [
        *run.overrides,
        "data.source=folder",
        f"data.path={data / run.folder}",
        f"data.splits_csv={data / 'manifest.csv'}",
    ]
    if run.starts_from:
        overrides.append(f"init.generator={runs / run.starts_from}")
    command = [
        sys.executable,
        "-m",
        "sisr_jax.main",
        f"--config=configs/{run.config}.py",
        f"--workdir={runs / run.name}",
        *(f"--config.{override}" for override in overrides),
    ]
    print(" ".join(command), flush=True)
    before = _cpu_minutes()
    subprocess.run(
        command, check=True, cwd=ROOT, env={**os.environ, "JAX_PLATFORMS": "cpu"}
    )
    return _cpu_minutes() - before


def _cpu_minutes() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) / 60


def _collect(run: Run, workdir: pathlib.Path, minutes: float) -> None:
    newest = max(
        (workdir / "evaluation").iterdir(), key=lambda p: int(p.name.split("_")[1])
    )
    target = HERE / run.name
    target.mkdir(exist_ok=True)
    for name in ("table.md", "per_image.csv", "figure.png"):
        shutil.copyfile(newest / name, target / name)
    step = newest.name.removeprefix("step_")
    (target / "cost.csv").write_text(f"steps,cpu_minutes\n{step},{minutes:.1f}\n")
    _write_results()


def _write_results() -> None:
    """One row for each run and method, from the per-image files beside this one."""
    rows = []
    for path in sorted(HERE.glob("*/per_image.csv")):
        scores: dict[str, list[tuple[float, float]]] = {}
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                pair = float(row["psnr"]), float(row["ssim"])
                scores.setdefault(row["method"], []).append(pair)
        for method, pairs in scores.items():
            psnr, ssim = (
                sum(column) / len(pairs) for column in zip(*pairs, strict=True)
            )
            rows.append(
                (path.parent.name, method, len(pairs), f"{psnr:.2f}", f"{ssim:.3f}")
            )
    with (HERE / "results.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("run", "method", "images", "psnr_db", "ssim"))
        writer.writerows(rows)


if __name__ == "__main__":
    main()

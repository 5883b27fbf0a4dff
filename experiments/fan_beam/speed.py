"""Times and checks the fan-beam operator of this package and of its peers.

    python -m experiments.fan_beam.speed [--rounds 5] [--only NAME ...]

Every implementation is a process of its own; they take turns, so that other load on the
machine meets them alike. `speed.csv` has every time, `speed.md` the least ones; the
error is that of the sinogram of the head phantom against its exact line integrals, at
the middle of each detector and averaged over its width.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections import defaultdict

import numpy as np

from experiments.ct_operators import environments, phantom
from experiments.fan_beam import peers
from sisr_jax.tomography import ParallelBeam, radon

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
VIEWS = 60, 360
# What is asked, of how many views, of how many images together.
OPERATIONS = (
    "forward 60 8",
    "forward 60 1",
    "transpose 60 8",
    "gradient 60 8",
    "forward 360 8",
    "gradient 360 8",
)
ENVIRONMENTS = {"astra": "astra", "astra-strip": "astra", "deepinv": "deepinv"}
HEADING = "# How fast and how exact are fan-beam operators on a CPU?"
FIELDS = "implementation version operation views images round seconds".split()


class Worker:
    """A process that answers a line with a line."""

    def __init__(self, name: str, python: str) -> None:
        self.name = name
        count = str(peers.THREADS)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"), count)
        here = {"PYTHONPATH": str(ROOT)} if name == "ours" else {}
        self._process = subprocess.Popen(
            [python, str(HERE / "peers.py"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **threads, **here, "JAX_PLATFORMS": "cpu"},
        )
        self.version = self.ask("version").get("version", "?")

    def ask(self, line: str) -> dict:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        return json.loads(answer) if answer else {"error": "the process has ended"}

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def exact(width: float) -> np.ndarray:
    """Line integrals of the phantom in mm, averaged over a share of each detector."""
    steps = (np.arange(16) + 0.5) / 16 - 0.5 if width else np.zeros(1)
    place = np.arange(peers.DETECTORS) - (peers.DETECTORS - 1) / 2
    total = np.zeros((VIEWS[0], peers.DETECTORS))
    for step in steps * width:
        fan = np.arctan((place + step) * peers.PITCH / peers.SOURCE_DETECTOR)
        s = peers.SOURCE_ORIGIN / peers.PIXEL * np.sin(fan)
        for view, angle in enumerate(peers.angles_of(VIEWS[0])):
            total[view] += along(angle + fan, s)
    return total / len(steps) * peers.PIXEL


def along(angles: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Line integrals in pixels, a ray for each angle and offset."""
    total = np.zeros(len(angles))
    for value, a, b, x0, y0, tilt in phantom.ELLIPSES:
        turned = angles - np.deg2rad(tilt)
        radius = np.hypot(a * np.cos(turned), b * np.sin(turned))
        centre = x0 * np.cos(angles) + y0 * np.sin(angles)
        offset = (offsets * 2 / peers.SIZE - centre) / radius
        total += value * a * b * np.sqrt(np.maximum(1 - offset**2, 0)) / radius * 2
    return total * peers.SIZE / 2


def relative(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def parallel_errors() -> tuple[float, float]:
    """Of our parallel transform, about as many views of the same phantom."""
    beam = ParallelBeam(peers.SIZE, 63)
    image = phantom.rasterise(peers.SIZE, peers.SIZE // 2)
    found = np.asarray(radon(image.astype(np.float32), beam))
    offsets = np.arange(beam.num_detectors) - beam.num_detectors // 2
    point, binned = (
        relative(found, phantom.project(peers.SIZE, beam.angles, offsets, width))
        for width in (0.0, 1.0)
    )
    return point, binned


def errors(worker: Worker, folder: pathlib.Path) -> tuple[float, float] | None:
    """Of an implementation's sinogram; None if it has its own geometry."""
    source, target = folder / "phantom.npy", folder / f"{worker.name}.npy"
    image = phantom.rasterise(peers.SIZE, (peers.SIZE - 1) / 2)
    np.save(source, image.astype(np.float32))
    answer = worker.ask(f"store {VIEWS[0]} {source} {target}")
    if answer or not target.exists():
        return None
    found = np.load(target, allow_pickle=False)
    if found.shape != (VIEWS[0], peers.DETECTORS):
        return None
    return relative(found, exact(0.0)), relative(found, exact(1.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=peers.PEERS, default=peers.PEERS)
    parser.add_argument(
        "--cache", type=pathlib.Path, default=ROOT / ".matrix" / "ct_operators"
    )
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    workers = []
    for name in arguments.only:
        python = sys.executable
        if name in ENVIRONMENTS:
            cache = arguments.cache.resolve()
            python = str(environments.python_of(ENVIRONMENTS[name], cache))
        workers.append(Worker(name, python))
    rows, least, problems = [], defaultdict(dict), {}
    for number in range(arguments.rounds + 1):
        for operation in OPERATIONS:
            for worker in workers:
                answer = worker.ask(operation)
                if "error" in answer:
                    problems[worker.name, operation] = answer["error"]
                elif number:  # the first call of everything is not timed
                    seconds = answer["seconds"]
                    found = least[operation].get(worker.name, np.inf)
                    least[operation][worker.name] = min(found, seconds)
                    version = worker.version
                    rows.append([worker.name, version, *operation.split(), number])
                    rows[-1].append(f"{seconds:.5f}")
            shown = {name: f"{t:.4f}" for name, t in least[operation].items()}
            print(number, operation, shown, flush=True)
    with (arguments.out / "speed.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([FIELDS, *rows])
    with tempfile.TemporaryDirectory() as folder:
        found = {each.name: errors(each, pathlib.Path(folder)) for each in workers}
    names = [worker.name for worker in workers]
    heads = [f"{each.name} {each.version}" for each in workers]
    lines = [
        HEADING,
        "",
        f"| milliseconds an image | {' | '.join(heads)} | ours against the best |",
        "|---" * (len(names) + 2) + "|",
    ]
    for operation in OPERATIONS:
        times = least[operation]
        others = [seconds for name, seconds in times.items() if name != "ours"]
        verb, views, count = operation.split()
        cells = [f"{1e3 * times[n]:.1f}" if n in times else "-" for n in names]
        gain = f"{min(others) / times['ours']:.1f}x" if others else "-"
        title = f"{verb}, {views} views, {count} together"
        lines.append(f"| {title} | {' | '.join(cells)} | {gain} |")
    point, binned = parallel_errors()
    lines += [
        "",
        "| error against exact integrals, % | middle of the detector | its width |",
        "|---|---|---|",
        f"| ours, parallel beams, 63 views | {100 * point:.2f} | {100 * binned:.2f} |",
    ]
    for name, pair in found.items():
        cells = [f"{100 * each:.2f}" for each in pair] if pair else ["-", "-"]
        lines.append(f"| {name}, {VIEWS[0]} views | {' | '.join(cells)} |")
    lines += ["", *(f"{name}, {what}: {why}" for (name, what), why in problems.items())]
    (arguments.out / "speed.md").write_text("\n".join(lines).rstrip() + "\n")
    print("\n".join(lines))
    for worker in workers:
        worker.close()


if __name__ == "__main__":
    main()

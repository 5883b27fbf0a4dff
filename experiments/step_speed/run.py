"""Seconds for a training step of a network: ours, plain JAX, PyTorch, Keras.

    python experiments/step_speed/run.py
    python experiments/step_speed/run.py --network stage --size 128 --out stage.csv

Every framework is a process of its own; the processes take turns, one step each,
so that other load on the machine meets them alike. The first two steps of each
(compilation, allocation) are not counted.
"""

import argparse
import csv
import os
import pathlib
import statistics
import subprocess
import sys
import venv

from protocol import NETWORKS

HERE = pathlib.Path(__file__).parent
PACKAGES = {
    "torch": ["torch==2.13.0", "numpy"],
    "keras": ["tensorflow-cpu==2.21.*"],
}
WARM_UP = 2


def environment(name: str, cache: pathlib.Path) -> pathlib.Path:
    """Python of a virtual environment with the framework, made if it is not there."""
    folder = cache / name
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        venv.create(folder, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES[name]]
        subprocess.run(install, check=True)
        complete.touch()
    return python


class Worker:
    """A process that makes one step each time it is asked."""

    def __init__(self, name: str, command: list[str]) -> None:
        threads = {"OMP_NUM_THREADS": "2", "PYTHONPATH": str(HERE.parents[1])}
        self.name = name
        self.steps: list[tuple[float, float, float]] = []
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **threads},
            # Two cores for each, whatever the machine has.
            preexec_fn=lambda: os.sched_setaffinity(0, cores()),
        )
        while (line := self._read()) != "ready":
            print(f"{name}: {line}")

    def step(self) -> None:
        self._process.stdin.write("step\n")
        self._process.stdin.flush()
        seconds, loss, peak = map(float, self._read().split())
        self.steps.append((seconds, loss, peak))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: the worker ended")
        return line.strip()


def cores() -> set[int]:
    return set(sorted(os.sched_getaffinity(0))[:2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--network", choices=NETWORKS, default=NETWORKS[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument(
        "--cache",
        type=pathlib.Path,
        default=pathlib.Path.home() / ".cache" / "sisr_jax_step_speed",
    )
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "results.csv")
    arguments = parser.parse_args()
    jax_worker = str(HERE / "jax_worker.py")
    what = [arguments.network, str(arguments.size)]
    commands = {
        "ours": [sys.executable, jax_worker, "ours", *what],
        "plain JAX": [sys.executable, jax_worker, "plain", *what],
    }
    for name, title in ("torch", "PyTorch"), ("keras", "Keras"):
        python = environment(name, arguments.cache)
        commands[title] = [str(python), str(HERE / f"{name}_worker.py"), *what]
    workers = [Worker(name, command) for name, command in commands.items()]
    for number in range(WARM_UP + arguments.rounds):
        for worker in workers:
            worker.step()
        latest = "  ".join(f"{w.name} {w.steps[-1][0]:.2f}" for w in workers)
        print(f"round {number}: {latest}", flush=True)
    for worker in workers:
        worker.close()
    report(workers, arguments.out)


def report(workers: list[Worker], path: pathlib.Path) -> None:
    """Writes the table and prints it."""
    ours = [seconds for seconds, _, _ in workers[0].steps[WARM_UP:]]
    rows = []
    for worker in workers:
        seconds = [step[0] for step in worker.steps[WARM_UP:]]
        ratios = [a / b for a, b in zip(seconds, ours, strict=True)]
        rows.append(
            {
                "framework": worker.name,
                "min_seconds": round(min(seconds), 3),
                "median_seconds": round(statistics.median(seconds), 3),
                "median_ratio_to_ours": round(statistics.median(ratios), 2),
                "peak_megabytes": round(worker.steps[-1][2]),
                "first_loss": worker.steps[0][1],
                "last_loss": worker.steps[-1][1],
            }
        )
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    print(f"load average {os.getloadavg()[1]:.1f} over 5 minutes")
    print(path.read_text())


if __name__ == "__main__":
    main()

"""Seconds and memory of a learned primal-dual network: ours, and in PyTorch.

    python -m experiments.primal_dual_peer.run

Every implementation is a process of its own; the processes take turns, one call each,
so that other load on the machine meets them alike. The first call of each (compilation,
allocation) is round 0 of the table and not part of the summary.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from experiments.ct_operators import phantom
from experiments.primal_dual_peer import summary
from experiments.primal_dual_peer.protocol import SIZE

HERE = pathlib.Path(__file__).parent
THREADS = 2
OURS = ("ours", "ours, 1 step")
# Recomputed iterations are a matter of the backward pass. The two that are left out of
# training would take another 5 GB beside the others.
WORK = {
    "infer": ("ours", "ours, 1 step", "ASTRA", "deepinv, unmatched", "deepinv"),
    "train": ("ours", "ASTRA", "ASTRA, recomputed", "deepinv"),
}
TUNED = "ours", "ASTRA, channels last"


def environment(folder: pathlib.Path) -> pathlib.Path:
    """Python of the peers' environment, made unless it is there and up to date."""
    python, stamp = folder / "bin" / "python", folder / "requirements.txt"
    wanted = HERE / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--requirement", wanted]
        subprocess.run(install, check=True)
        stamp.write_text(wanted.read_text())
    return python


class Worker:
    """A process that makes one call each time it is asked.

    Attributes:
        name: Of the implementation.
        facts: What the worker says of itself.
    """

    def __init__(self, name: str, work: str, python: pathlib.Path, image: str) -> None:
        self.name = name
        script = "jax_worker.py" if name in OURS else "torch_worker.py"
        names = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"
        limits = dict.fromkeys(names, str(THREADS)) | {"JAX_PLATFORMS": "cpu"}
        here = {"PYTHONPATH": str(HERE.parents[1])} if name in OURS else {}
        self._process = subprocess.Popen(
            [str(python), str(HERE / script), name, work, image],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **limits, **here},
            # As many cores for each, whatever the machine has.
            preexec_fn=lambda: os.sched_setaffinity(0, cores()),
        )
        self.facts = self._answer()

    def call(self) -> dict:
        self._process.stdin.write("call\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: the worker ended")
        return json.loads(line)


def cores() -> set[int]:
    return set(sorted(os.sched_getaffinity(0))[:THREADS])


def measure(
    work: str, names: tuple[str, ...], peers: pathlib.Path, image: str, rounds: int
) -> list[dict]:
    """One row for every call, in the order in which they were made."""
    pythons = dict.fromkeys(OURS, pathlib.Path(sys.executable))
    workers = [Worker(name, work, pythons.get(name, peers), image) for name in names]
    rows = []
    for number in range(rounds + 1):
        for worker in workers:
            row = {"work": work, "round": number, "name": worker.name}
            rows.append(row | worker.call() | worker.facts)
        latest = [f"{r['name']} {r['seconds']:.2f}" for r in rows[-len(workers) :]]
        print(f"{work}, round {number}: {'  '.join(latest)}", flush=True)
    for worker in workers:
        worker.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--environment",
        type=pathlib.Path,
        default=HERE.parents[1] / ".matrix" / "primal_dual_peer",
    )
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "results.csv")
    parser.add_argument("--tuned", action="store_true", help="the fastest peer, tuned")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    peers = environment(arguments.environment)
    with tempfile.TemporaryDirectory() as folder:
        image = f"{folder}/image.npy"
        np.save(image, np.float32(phantom.rasterise(SIZE, SIZE // 2)))
        rows = [
            row
            for work, names in WORK.items()
            for row in measure(
                work, TUNED if arguments.tuned else names, peers, image, rounds
            )
        ]
    with arguments.out.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    print(f"load average {os.getloadavg()[1]:.1f} over 5 minutes")
    print(summary.table(arguments.out))


if __name__ == "__main__":
    main()

"""Times and checks the CT operators of this package and of every installable peer.

    python experiments/ct_operators/run.py [--data FOLDER] [--rounds 5]

Every implementation is a process of its own, in an environment of its own that is
made on the first run; the processes take turns, so that other load on the machine
meets them alike. Only one computes at a time.
"""

import argparse
import pathlib
import sys
import tempfile

import accuracy
import bars
import environments
import numpy as np
import phantom
import report
from process import Worker

HERE = pathlib.Path(__file__).parent
SIZE = 512
SLICES = 12
OURS = ("ours", "ours-reference")
NAMES = (*OURS, *environments.REQUIREMENTS)
# Not timed: the standard of the accuracy table, and ours with the same weights of
# the views.
REFERENCE, UNIFORM = "scikit-image-float64", "ours-uniform"
OPERATIONS = (
    "radon63",
    "fbp63",
    "degrade63",
    "degrade63_batch8",
    "gradient63",
    "adjoint63",
    "radon1000",
    "fbp1000",
)
SWEEP = tuple(f"degrade63_batch{count}" for count in (1, 2, 4, 16, 32))
NOT_BATCHED = ("scikit-image", "astra", "scico")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, help="folder with ct/*.png")
    parser.add_argument("--rounds", type=int, default=5, help="0: accuracy only")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--cache",
        type=pathlib.Path,
        default=HERE.parents[1] / ".matrix" / "ct_operators",
    )
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        run(arguments, pathlib.Path(name))


def run(arguments: argparse.Namespace, folder: pathlib.Path) -> None:
    for centre in (SIZE // 2, (SIZE - 1) / 2):
        image = phantom.rasterise(SIZE, centre)
        np.save(folder / f"phantom_{centre}.npy", np.float32(image))
    workers, problems = start(arguments, folder)
    timed = [worker for worker in workers if worker.name in NAMES]
    times = {}
    if arguments.rounds:
        measure(timed, OPERATIONS, arguments.rounds, times)
        measure(swept(timed, times), SWEEP, arguments.rounds, times)
    checks = {worker.name: check(worker, folder) for worker in workers}
    if arguments.data:
        degrade_slices(workers, checks, folder, arguments.data)
    for worker in workers:
        worker.close()
    versions = {worker.name: worker.version for worker in workers}
    report.write(arguments.out, versions, problems, times, checks)


def start(
    arguments: argparse.Namespace, folder: pathlib.Path
) -> tuple[list[Worker], dict[str, str]]:
    """Makes the environments, then the workers; says which there are not, and why."""
    pythons, problems = {}, {}
    for name in arguments.only:
        if name in OURS:
            pythons[name] = pathlib.Path(sys.executable)
            continue
        try:
            pythons[name] = environments.python_of(name, arguments.cache)
        except environments.BuildError as error:
            problems[name] = f"no environment: {error}"
    if "scikit-image" in pythons:  # first, since the others are compared with it
        pythons = {REFERENCE: pythons["scikit-image"], **pythons}
    if "ours" in pythons:
        pythons[UNIFORM] = pythons["ours"]
    workers = []
    for name, python in pythons.items():
        options = {"folder": folder, "size": SIZE, "threads": arguments.threads}
        worker = Worker(name, python, **options)
        if worker.problem:
            problems[name] = worker.problem
            worker.close()
        else:
            workers.append(worker)
    for name, problem in problems.items():
        print(f"{name}: left out: {problem}", flush=True)
    return workers, problems


def measure(
    workers: list[Worker], operations: tuple[str, ...], rounds: int, times: dict
) -> None:
    """Adds the answers for every worker and operation; the first call is not timed."""
    for number in range(rounds + 1):
        for operation in operations:
            latest = []
            for worker in workers:
                answers = times.setdefault((worker.name, operation), [])
                if answers and "seconds" not in answers[-1]:
                    continue
                answer = worker.ask("time", operation)
                if "seconds" not in answer:
                    answers.append(answer)
                elif number:
                    answers += [
                        answer | {"seconds": each} for each in answer["seconds"]
                    ]
                what = "error" if "error" in answer else "-"
                found = "seconds" in answer
                shown = f"{min(answer['seconds']):.3f}" if found else what
                latest.append(f"{worker.name} {shown}")
            title = f"round {number}" if number else "warm-up"
            print(f"{title} {operation}: {'  '.join(latest)}", flush=True)


def swept(workers: list[Worker], times: dict) -> list[Worker]:
    """Ours and the three peers that are fastest on a batch."""

    def seconds(worker: Worker) -> float:
        return bars.best(times, worker.name, "degrade63_batch8") or float("inf")

    ours = [worker for worker in workers if worker.name in OURS]
    peers = [worker for worker in workers if worker.name not in (*OURS, *NOT_BATCHED)]
    return ours + sorted(peers, key=seconds)[:3]


def check(worker: Worker, folder: pathlib.Path) -> dict[str, float | str]:
    """Accuracy on the phantom; see the columns of the table."""
    answer = worker.ask("check")
    if "centre" not in answer:
        print(f"check {worker.name}: {answer}", flush=True)
        return {}
    centre, angles = answer["centre"], np.linspace(0, np.pi, 1000, endpoint=False)
    truth = load(folder, "phantom", str(centre))
    sinogram = load(folder, worker.name, "sinogram63")
    result = accuracy.sinogram_errors(
        sinogram, angles[::16], size=SIZE, centre=centre, pitch=answer["pitch"]
    )
    for what in ("sinogram63", "fbp63", "fbp1000"):
        path = folder / f"{worker.name}_{what}.npy"
        if not path.exists():
            continue
        values = np.load(path, allow_pickle=False)
        if what != "sinogram63":
            result[what] = accuracy.phantom_psnr(values, truth, centre)
        reference = folder / f"{REFERENCE}_{what}.npy"
        # Others have projected a phantom that is shifted by half a pixel.
        if centre == SIZE // 2 and reference.exists() and worker.name != REFERENCE:
            standard = np.load(reference, allow_pickle=False)
            result[f"against_{what}"] = accuracy.relative(values, standard)
    if "adjoint_error" in answer:
        result["adjoint"] = answer["adjoint_error"]
    shown = {k: f"{v:.3g}" if isinstance(v, float) else v for k, v in result.items()}
    print(f"check {worker.name}: {shown}", flush=True)
    return result


def degrade_slices(
    workers: list[Worker], checks: dict, folder: pathlib.Path, data: pathlib.Path
) -> None:
    """Adds the PSNR of our degraded real slices against those of scikit-image."""
    source = folder / "slices.npy"
    np.save(source, accuracy.slices(data, SLICES))
    degraded = {}
    for worker in workers:
        if worker.name in (*OURS, UNIFORM, REFERENCE):
            target = folder / f"{worker.name}_slices.npy"
            answer = worker.ask("degrade", str(source), str(target))
            print(f"slices {worker.name}: {answer or 'done'}", flush=True)
            if not answer:
                degraded[worker.name] = np.load(target, allow_pickle=False)
    for name in (*OURS, UNIFORM):
        if name in degraded and REFERENCE in degraded:
            pairs = zip(degraded[name], degraded[REFERENCE], strict=True)
            values = [accuracy.psnr(image, truth) for image, truth in pairs]
            checks[name]["slices_mean"] = float(np.mean(values))
            checks[name]["slices_worst"] = min(values)
            checks[name]["slices"] = len(values)


def load(folder: pathlib.Path, name: str, what: str) -> np.ndarray:
    return np.load(folder / f"{name}_{what}.npy", allow_pickle=False)


if __name__ == "__main__":
    main()

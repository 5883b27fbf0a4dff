"""A worker process as the driver sees it, and its answers."""

import json
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).parent


class Worker:
    """A worker that is alive until it is closed or ends by itself.

    Attributes:
        name: Of the implementation.
        version: Of its distribution.
        problem: Why there is no working implementation, or empty.
    """

    def __init__(
        self,
        name: str,
        python: pathlib.Path,
        *,
        folder: pathlib.Path,
        size: int,
        threads: int,
    ) -> None:
        self.name = name
        count = str(threads)
        limits = {
            variable: count
            for variable in (
                "OMP_NUM_THREADS",
                "OPENBLAS_NUM_THREADS",
                "MKL_NUM_THREADS",
                "NUMBA_NUM_THREADS",
                "NPROC",  # the pool of XLA
            )
        }
        here = {"PYTHONPATH": str(HERE.parents[1])} if name.startswith("ours") else {}
        script = [str(HERE / "worker.py"), name, str(folder), str(size), count]
        with (folder / f"{name}.log").open("w") as log:
            self._process = subprocess.Popen(
                [str(python), *script],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **limits, **here, "JAX_PLATFORMS": "cpu"},
                # As many cores for each, whatever the machine has.
                preexec_fn=lambda: os.sched_setaffinity(0, cores(threads)),
            )
        first = self._answer()
        self.version = first.get("version", "")
        self.problem = first.get("absent") or first.get("error") or ""

    def ask(self, action: str, *arguments: str) -> dict:
        """Has the worker do something; `absent` or `error` says why it did not."""
        request = json.dumps({"do": action, "with": arguments})
        try:
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return {"error": "the process has ended"}
        return self._answer()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"error": "the process has ended"}


def cores(threads: int) -> set[int]:
    """The first cores that this process may use."""
    return set(sorted(os.sched_getaffinity(0))[:threads])

"""Two supervised processes on this machine that train into one folder."""

import json
import pathlib
import socket
import subprocess
import sys
import time

from experiments.reliability.processes import ROOT, environment

HEARTBEAT_SECONDS = 10
LONGEST_WAIT_SECONDS = 900


class Training:
    """A run of `4 * quarter` steps, saved after every second one.

    Attributes:
        workdir: Its working folder.
        repeated: Steps that were trained again, as far as was observed.
    """

    def __init__(self, workdir, cache, quarter):
        self.workdir, self.repeated = workdir, 0
        self._last, self._advanced = 0, 0
        self._logs = [workdir.with_name(f"{workdir.name}{i}.log") for i in range(2)]
        command = _command(workdir, quarter)
        self._supervisors = []
        for process, log in enumerate(self._logs):
            with log.open("wb") as file:
                supervisor = subprocess.Popen(
                    [*command, f"--process_id={process}"],
                    cwd=ROOT,
                    env=environment(cache) | {"JAX_NUM_CPU_DEVICES": "1"},
                    stdout=file,
                    stderr=file,
                )
            self._supervisors.append(supervisor)

    def wait(self):
        """Until the end, which must be a good one."""
        while any(supervisor.poll() is None for supervisor in self._supervisors):
            self.observe()
            time.sleep(0.01)
        if any(supervisor.returncode for supervisor in self._supervisors):
            self._fail("the training failed")

    def end(self):
        """Ends the supervisors, and with them what they run."""
        for supervisor in self._supervisors:
            supervisor.kill()
            supervisor.wait()

    def pid(self, process):
        """The process that trains, or None while there is none."""
        supervisor = self._supervisors[process].pid
        path = pathlib.Path(f"/proc/{supervisor}/task/{supervisor}/children")
        children = path.read_text().split()
        return int(children[0]) if children else None

    def observe(self):
        """The step of the last record; a smaller one than before is a repetition."""
        path = self.workdir / "metrics.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        steps = [json.loads(line)["step"] for line in lines[-3:] if line[-1:] == b"}"]
        last = steps[-1] if steps else 0
        self._advanced += max(0, last - self._last)
        self.repeated += max(0, self._last - last)
        self._last = last
        return last

    def wait_for_process(self, process):
        self._until(lambda: self.pid(process) is not None)

    def wait_for_steps(self, count):
        """Until so many more were trained, repeated ones included."""
        goal = self._advanced + count
        self._until(lambda: self._advanced >= goal)

    def wait_for_save(self):
        folder = self.workdir / "checkpoints"
        self._until(lambda: any("tmp" in path.name for path in folder.iterdir()))

    def wait_for_end_of(self, pid):
        self._until(lambda: not pathlib.Path(f"/proc/{pid}").exists())

    def restarts(self):
        """Counted by the supervisors themselves."""
        return sum(log.read_text().count("supervise: exit code") for log in self._logs)

    def _until(self, condition):
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while not condition():
            self.observe()
            if any(supervisor.poll() is not None for supervisor in self._supervisors):
                self._fail("the training ended before it could be killed")
            if time.monotonic() > deadline:
                self._fail("the training does not go on")
            time.sleep(0.005)

    def _fail(self, reason):
        for log in self._logs:
            print(f"--- {log.name}", *log.read_text().splitlines()[-40:], sep="\n")
        raise SystemExit(reason)


def _command(workdir, quarter):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return [
        *(sys.executable, "-m", "sisr_jax.supervise"),
        *("--first_seconds=0.1", "--longest_seconds=1", "--max_restarts=30"),
        *(f"--stopped_seconds={HEARTBEAT_SECONDS}", "--"),
        *(sys.executable, "-m", "sisr_jax.main", f"--workdir={workdir}"),
        "--config=configs/us_srgan.py:quicktest",
        f"--config.phases.generator={2 * quarter}",
        f"--config.phases.discriminator={quarter}",
        f"--config.phases.adversarial={quarter}",
        "--config.checkpoint.every_steps=2",
        "--config.evaluation.every_steps=40",
        "--config.log.images_every_steps=40",
        *(f"--coordinator=127.0.0.1:{port}", "--num_processes=2"),
        f"--heartbeat_seconds={HEARTBEAT_SECONDS}",
    ]

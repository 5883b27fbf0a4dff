"""Kills the processes of a supervised training at random; it must end to the bit.

    python -m experiments.reliability.kills --kills 50 --csv kills.csv

Two processes train together, each under `sisr_jax.supervise`. Each kill is one signal
(SIGKILL; SIGSTOP, which hangs the process; SIGTERM, a preemption) to one of them, at a
random moment of its start, of a save, or of its steps. The final state, the records
and the scores of every test image must equal those of a run that nobody disturbed.
Linux only; exit code 1 if anything was lost.
"""

import argparse
import collections
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

from experiments.reliability.comparison import differences
from experiments.reliability.table import write_table
from experiments.reliability.training import Training

SIGNALS = ("SIGKILL", "SIGSTOP", "SIGTERM")
MOMENTS = ("start", "save", "step", "step")
FIELDS = ("kill", "signal", "process", "moment", "step", "repeated")
MOST_STEPS = 3  # trained before a kill
# More than what is trained between two kills, so that the run outlasts them.
STEPS_FOR_EACH_KILL = 5


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--kills", type=int, default=50)
    flags.add_argument(
        "--minutes", type=float, default=float("inf"), help="no kills after so many"
    )
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument(
        "--csv", type=pathlib.Path, help="where to write one line a kill"
    )
    options = flags.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("terminated"))
    with tempfile.TemporaryDirectory() as folder:
        losses = experiment(options, pathlib.Path(folder))
    sys.exit(bool(losses))


def experiment(options, folder):
    quarter = 3 + -(-STEPS_FOR_EACH_KILL * options.kills // 4)
    straight = Training(folder / "straight", folder / "cache", quarter)
    straight.wait()
    began = time.monotonic()
    killed = Training(folder / "killed", folder / "cache", quarter)
    rows = []
    try:
        rng = random.Random(options.seed)
        for number in range(1, options.kills + 1):
            if time.monotonic() - began > 60 * options.minutes:
                break
            rows.append({"kill": number} | disturb(killed, rng))
            print(*(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
        killed.wait()
    finally:
        killed.end()
    minutes = (time.monotonic() - began) / 60
    for row, before, after in zip(
        rows, [row["repeated"] for row in rows], _following(rows, killed), strict=True
    ):
        row["repeated"] = after - before
    losses = differences(straight.workdir, killed.workdir)
    if options.csv:
        write_table(options.csv, FIELDS, rows)
    count = collections.Counter(row["signal"] for row in rows)
    kinds = ", ".join(f"{each} {count[each]}" for each in SIGNALS)
    print(
        f"kills {len(rows)} ({kinds}), "
        f"restarts {killed.restarts()}, steps {4 * quarter}, "
        f"repeated {killed.repeated}, losses {len(losses)}, {minutes:.0f} minutes"
    )
    for loss in losses:
        print("lost:", loss)
    return losses


def _following(rows, killed):
    """What had been repeated when the next kill came, or at the end."""
    return [*(row["repeated"] for row in rows[1:]), killed.repeated]


def disturb(training, rng):
    """Waits for a random moment and sends a random signal to a random process."""
    kind, moment = rng.choice(SIGNALS), rng.choice(MOMENTS)
    process, steps = rng.randrange(2), rng.randint(1, MOST_STEPS)
    training.wait_for_process(process)
    if moment != "start":
        training.wait_for_steps(steps)
    if moment == "save":
        training.wait_for_save()
    time.sleep(rng.uniform(0.0, 10.0 if moment == "start" else 0.1))
    pid = training.pid(process)
    row = {"signal": kind, "process": process, "moment": moment}
    row |= {"step": training.observe(), "repeated": training.repeated}
    if pid is not None:
        os.kill(pid, getattr(signal, kind))
        training.wait_for_end_of(pid)
    return row


if __name__ == "__main__":
    main()

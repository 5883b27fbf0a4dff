"""Damages files and folders of every kind and looks what reading them does.

    python -m experiments.reliability.fuzz --seed 0 --cases 2000 --minutes 60 \
        --csv experiments/reliability/fuzz.csv

A damaged file may be read or refused by one line, nothing else. Each case has one file
with bytes flipped, cut off, moved or forged, or with other fields and values where it
is JSON. Counted as faults are crashes, hangs (more than 10 s), memory (more than 1 GB
above what the process had), any exception that is no `InputError` or is not one
printable line, code that a file names and that is run, and silent acceptances: values
other than those of an independent reader. Where that reader refuses the file, it is
counted as `alone`.

The same numbers are the same cases: `--targets tiff --first 812 --cases 1` repeats one.
Lines of other targets stay in the CSV, so that it can be made in parts. Linux only;
exit code 1 if there was a fault.
"""

import argparse
import collections
import csv
import pathlib
import signal
import sys
import tempfile
import time

from experiments.reliability.fuzzing.limits import watch
from experiments.reliability.processes import environment
from experiments.reliability.table import write_table

TARGETS = (
    *("png", "jpeg", "tiff", "npy", "npz", "dicom", "frames", "nifti"),
    *("csv", "mat", "tar", "dataset", "run", "checkpoint", "weights"),
)
FAULTS = ("crash", "hang", "memory", "traceback", "silent")
FIELDS = (
    *("target", "seed", "first", "cases", "accepted", "alone", "refused"),
    *(*FAULTS, "megabytes", "seconds"),
)
_LINE = "{:11}" + "{:>10}" * (len(FIELDS) - 1)
_PROGRESS_SECONDS = 10
_LONGEST = 300


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--cases", type=int, default=1000, help="for each target")
    flags.add_argument("--first", type=int, default=0, help="number of the first case")
    flags.add_argument(
        "--minutes", type=float, default=60.0, help="for all targets together"
    )
    flags.add_argument(
        "--targets", nargs="+", default=TARGETS, choices=TARGETS, metavar="TARGET"
    )
    flags.add_argument("--csv", type=pathlib.Path, help="a line for each target")
    flags.add_argument("--list", action="store_true", help="what became of each case")
    options = flags.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("terminated"))
    deadline = time.monotonic() + 60 * options.minutes
    faults, rows = 0, []
    for number, name in enumerate(options.targets):
        # What a target leaves of its share is the others'.
        share = (deadline - time.monotonic()) / (len(options.targets) - number)
        rows.append(fuzz(name, options, max(share, 0.0)))
        faults += sum(rows[-1][fault] for fault in FAULTS)
        if options.csv:
            write_table(options.csv, FIELDS, _merged(options.csv, rows))
    print(_LINE.format(*FIELDS))
    for row in rows:
        print(_LINE.format(*row.values()))
    print(f"{sum(row['cases'] for row in rows)} cases, {faults} faults")
    sys.exit(faults > 0)


def fuzz(name, options, seconds):
    """Tries the cases of one target for at most so many seconds."""
    counts, peak, began = collections.Counter(), 0, time.monotonic()
    said = began
    numbers = range(options.first, options.first + options.cases)
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryFile() as log:
        cases = watch(
            lambda first, stop: _command(name, place, options.seed, first, stop),
            numbers,
            environment=environment(f"{place}/cache"),
            log=log,
        )
        for case in cases:
            counts[case.outcome] += 1
            peak = max(peak, case.megabytes)
            now = time.monotonic()
            if options.list or case.outcome in FAULTS:
                remark = case.remark[:_LONGEST]
                print(f"{name} {case.number}: {case.outcome}: {remark}", flush=True)
            elif now - said > _PROGRESS_SECONDS:
                said = now
                print(f"{name}: at {case.number}", file=sys.stderr, flush=True)
            if now - began > seconds:
                break
        cases.close()
    row = dict.fromkeys(FIELDS, 0) | {outcome: counts[outcome] for outcome in FAULTS}
    row |= {"target": name, "seed": options.seed, "first": options.first}
    row |= {"cases": counts.total(), "accepted": counts["accepted"] + counts["alone"]}
    row |= {"alone": counts["alone"], "refused": counts["refused"], "megabytes": peak}
    row["seconds"] = round(time.monotonic() - began)
    return row


def _command(name, place, seed, first, stop):
    folder = tempfile.mkdtemp(dir=place)
    module = "experiments.reliability.fuzzing.worker"
    return [
        sys.executable,
        "-m",
        module,
        name,
        folder,
        str(seed),
        str(first),
        str(stop),
    ]


def _merged(path, rows):
    """With the lines of the file for other targets, in the order of the targets."""
    found = {}
    if path.exists():
        with path.open(newline="") as file:
            found = {row["target"]: row for row in csv.DictReader(file)}
    found |= {row["target"]: row for row in rows}
    return [found[name] for name in TARGETS if name in found]


if __name__ == "__main__":
    main()

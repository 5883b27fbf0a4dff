"""Trains in a bucket whose server fails in every way; it must end to the bit.

    python -m experiments.reliability.storage --csv storage.csv

For each kind of fault one training goes through a proxy that injects it
(`tests/storage/faulty_proxy.py`) in front of a GCS server on this machine
(`tests/storage/gcs_server.py`). A training that stops must say why in one line and
leave with exit code 74; then the fault ends and the same command runs again. Losses
are leaves of the final state, records and scores that differ from those of a training
that nobody disturbed; exit code 1 if there are any.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from experiments.reliability.comparison import differences
from experiments.reliability.processes import ROOT, environment
from experiments.reliability.table import write_table

SERVERS = ROOT / "tests" / "storage"
STORAGE_EXIT_CODE = 74
FOREVER_SECONDS = 1e6
LONGEST_RUN_SECONDS = 1500

IN_MID_RUN = {"begin": "checkpoints/3"}
RARE = {"burst": 1, "period": 5}
FAULTS = {
    "429": {"kind": "status", "status": 429, "burst": 3, "period": 60},
    "503": {"kind": "status", "status": 503, "burst": 3, "period": 60},
    "reset in an upload": {"kind": "reset"} | RARE,
    "answer lost": {"kind": "lost_answer"} | RARE,
    "truncated answer": {"kind": "truncated"} | RARE,
    "stall of 10 s": {"kind": "stall", "seconds": 10, "burst": 1, "period": 90},
    "gone for a minute": {"kind": "gone", "seconds": 60} | IN_MID_RUN,
    "gone": {"kind": "gone", "seconds": FOREVER_SECONDS} | IN_MID_RUN,
    "forbidden": {"kind": "status", "status": 403, "burst": 1, "period": 1}
    | IN_MID_RUN,
}
FIELDS = ("kind", "faults", "retries", "runs", "ended", "seconds", "losses")


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--kinds", nargs="+", choices=FAULTS, default=list(FAULTS))
    flags.add_argument("--csv", type=pathlib.Path, help="where to write the table")
    options = flags.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    with tempfile.TemporaryDirectory() as folder:
        server, address = _serve("gcs_server.py")
        proxy, faulty = _serve("faulty_proxy.py", address)
        try:
            rows = experiment(Bucket(address, faulty, pathlib.Path(folder)), options)
        finally:
            for process in (proxy, server):
                process.terminate()
                process.wait()
    if options.csv:
        write_table(options.csv, FIELDS, rows)
    losses = sum(row["losses"] for row in rows)
    print(f"{sum(row['faults'] for row in rows)} faults, {losses} losses")
    sys.exit(bool(losses))


def experiment(bucket, options):
    bucket.choose({"kind": "none"})
    straight = bucket.train("undisturbed")
    if straight.returncode:
        raise SystemExit(straight.stderr)
    rows = []
    for number, kind in enumerate(options.kinds):
        rows.append({"kind": kind} | disturb(bucket, f"run{number}", FAULTS[kind]))
        print(*(f"{k} {v}" for k, v in rows[-1].items()), sep=", ", flush=True)
    return rows


def disturb(bucket, run, fault):
    """One training under a fault, run again without it if it stopped."""
    began = time.monotonic()
    bucket.choose(fault)
    found, runs, ended = bucket.train(run), 1, "went on"
    report = bucket.report()
    bucket.choose({"kind": "none"})
    if found.returncode:
        runs, ended = 2, bucket.anonymous(_reason(found), run)
        found = bucket.train(run)
    if found.returncode:
        raise SystemExit(found.stderr)
    lost = differences(bucket.copy("undisturbed"), bucket.copy(run))
    print(*lost, sep="\n", end="\n" if lost else "")
    return {
        "faults": report["injected"],
        "retries": report["retries"],
        "runs": runs,
        "ended": ended,
        "seconds": round(time.monotonic() - began),
        "losses": len(lost),
    }


def _reason(found):
    """The line that a stopped training left, which must be the only one."""
    errors = [line for line in found.stderr.splitlines() if "error: " in line]
    if found.returncode != STORAGE_EXIT_CODE or len(errors) != 1:
        raise SystemExit(f"exit code {found.returncode}\n{found.stderr}")
    if "Traceback" in found.stderr:
        raise SystemExit(found.stderr)
    return errors[0]


class Bucket:
    """A server, the proxy in front of it, and the trainings that write there."""

    def __init__(self, address, faulty, folder):
        self._address, self._faulty, self._folder = address, faulty, folder

    def choose(self, fault):
        content = json.dumps(fault).encode()
        address = f"{self._faulty}/faults"
        urllib.request.urlopen(
            urllib.request.Request(address, content, method="PUT")
        ).close()

    def report(self):
        with urllib.request.urlopen(f"{self._faulty}/faults") as found:
            return json.load(found)

    def train(self, run):
        clients = {
            "NO_GCE_CHECK": "true",
            "STORAGE_EMULATOR_HOST": self._faulty,
            # Both clients, even if the caller has used another server before.
            "TENSORSTORE_GCS_HTTP_URL": self._faulty,
        }
        return subprocess.run(
            [
                *(sys.executable, "-m", "sisr_jax.main"),
                *("--config=configs/ct_srgan.py:quicktest", "--workdir"),
                f"gs://bucket/{run}",
            ],
            cwd=ROOT,
            env=environment(self._folder / "cache") | clients,
            capture_output=True,
            text=True,
            timeout=LONGEST_RUN_SECONDS,
        )

    def anonymous(self, line, run):
        """The line without what differs from one machine to the next."""
        line = line.replace(f"gs://bucket/{run}", "DIR")
        return line.replace(self._faulty, "SERVER")

    def copy(self, run):
        """A local copy of a working folder."""
        objects = f"{self._address}/storage/v1/b/bucket/o"
        with urllib.request.urlopen(f"{objects}?prefix={run}/") as found:
            names = [item["name"] for item in json.load(found)["items"]]
        for name in names:
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            quoted = urllib.parse.quote(name, safe="")
            with urllib.request.urlopen(f"{objects}/{quoted}?alt=media") as content:
                path.write_bytes(content.read())
        return self._folder / run


def _serve(script, *arguments):
    process = subprocess.Popen(
        [sys.executable, SERVERS / script, *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, process.stdout.readline().strip()


if __name__ == "__main__":
    main()

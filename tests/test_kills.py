"""The short form of the kill experiment: nothing may be lost."""

import csv
import re
import subprocess
import sys

import processes
import pytest


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_killed_training_loses_nothing(tmp_path):
    table = tmp_path / "kills.csv"
    found = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.reliability.kills"),
            *("--kills", "3", "--seed", "2", "--csv", str(table)),
        ],
        cwd=processes.ROOT,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    counts = re.search(r"kills 3 .*restarts (\d+), .*losses 0,", found.stdout)
    assert counts, found.stdout
    assert int(counts[1]) >= 3
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["kill"] for row in rows] == ["1", "2", "3"]

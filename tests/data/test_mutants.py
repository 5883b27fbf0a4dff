"""Damaged files of every format: an image or one clear line, never anything else."""

import os
import subprocess
import sys
from pathlib import Path

import mutants
import numpy as np
import pytest

HERE = Path(__file__).parent
MUTANTS = 500
SECONDS, MEGABYTES = 120, 1024


@pytest.mark.parametrize("kind", mutants.FORMATS)
def test_files_before_the_damage_are_read(tmp_path, kind):
    images = [mutants.use(path, kind) for path in mutants.write_seeds(tmp_path, kind)]
    if kind == "dicom":  # plain, run lengths, deflated, big-endian, bare
        assert len(images) == 5
        for [image] in images:
            np.testing.assert_array_equal(image, images[0][0])


@pytest.mark.parametrize("kind", mutants.FORMATS)
def test_mutants_are_read_or_refused(tmp_path, kind):
    found = mutants.try_mutants(tmp_path, kind, range(40))
    assert found["read"] + found["refused"] == 40
    assert found["refused"] > 10


@pytest.mark.parametrize("kind", mutants.FORMATS)
def test_files_are_the_same_in_every_run(tmp_path, kind):
    seeds = []
    for name in "ab":
        (tmp_path / name).mkdir()
        seeds.append(mutants.write_seeds(tmp_path / name, kind))
    for first, second in zip(*seeds, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_mutants_are_the_same_in_every_run():
    data = bytes(range(256)) * 4
    changed = [mutants.mutate(data, number) for number in range(50)]
    assert changed == [mutants.mutate(data, number) for number in range(50)]
    assert len({*changed, data}) > 45


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_many_mutants_in_bounded_time_and_memory(tmp_path):
    (tmp_path / "empty").mkdir()
    finished = subprocess.run(
        [
            *(sys.executable, "-Wignore", HERE / "mutants.py"),
            *(tmp_path, str(MUTANTS)),
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=tmp_path / "empty",
        env=os.environ | {"PYTHONPATH": f"{HERE.parents[1]}:{HERE.parent}:{HERE}"},
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    rows = [line.split() for line in finished.stdout.splitlines()]
    assert [row[0] for row in rows] == list(mutants.FORMATS)
    for kind, read, refused, peak in rows:
        assert int(read) + int(refused) == MUTANTS
        assert int(read) > 0, kind
        assert int(peak) < MEGABYTES, kind
    assert not list((tmp_path / "empty").iterdir())

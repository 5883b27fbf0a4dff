"""Changes lines of the package, one at a time, and runs the tests that should notice.

    pip install coverage
    python -m pytest -m "not slow" -p experiments.mutation.cover --covering FILE
    python -m experiments.mutation.run --covering FILE --seed 0 --count 100
    python -m experiments.mutation.run --covering FILE --again --seconds 3600

A change is drawn from those of `changes`: for each room the same number, over the lines
of its files. It is made in a copy of the checkout; there the test files that run its
lines run until one fails, those named after its module first, then short before long.
A change that none notices has survived. `mutations.csv` beside this file has a line for
each; a run that was stopped goes on, `--again` repeats those that survived, with test
files that take up to `--seconds` altogether. Exit code 1 if any did.
"""

import argparse
import csv
import itertools
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from experiments.mutation.changes import Change, changes

ROOT = pathlib.Path(__file__).parents[2]
TABLE = pathlib.Path(__file__).with_name("mutations.csv")
ROOMS = ("train", "degradation", "evaluation", "data", "tomography")
# Python bytecode and the working folders of tools are not needed, nor are large files.
COPIED = ("sisr_jax", "configs", "experiments", "tests", "pyproject.toml", "README.md")
# Three times the whole quick suite on one core: a test does not end any more.
TEST_SECONDS = 3600


class Row(NamedTuple):
    """One line of `mutations.csv`."""

    file: str
    line: int
    before: str
    after: str
    verdict: str  # killed, survived or slow
    by: str  # the test that noticed
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--covering", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=400, help="of tests, for each")
    parser.add_argument("--again", action="store_true")
    arguments = parser.parse_args()
    covering = json.loads(arguments.covering.read_text())
    rows = _read()
    chosen = draw(arguments.seed, arguments.count)
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for name in COPIED:
            source, target = ROOT / name, copy / name
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(
                source, target
            )
        for number, (file, change) in enumerate(chosen, 1):
            place = (file, change.line, _short(change.before), _short(change.after))
            known = rows.get(place)
            if known and not (arguments.again and known.verdict == "survived"):
                continue
            start = time.monotonic()
            tests = tests_of(covering, file, change, seconds=arguments.seconds)
            verdict, by = examine(copy, file, change, tests)
            seconds = round(time.monotonic() - start, 1)
            rows[place] = Row(*place, verdict, by, seconds)
            print(f"{number}/{len(chosen)}", *rows[place], flush=True)
            _write(list(rows.values()))
    survived = [row for row in rows.values() if row.verdict == "survived"]
    print(f"{len(survived)} of {len(rows)} survived")
    sys.exit(1 if survived else 0)


def draw(seed: int, count: int) -> list[tuple[str, Change]]:
    """Changes of the package, the same number for each room, rooms by turns."""
    by_room = []
    for room in ROOMS:
        found = [
            (str(path.relative_to(ROOT)), change)
            for path in sorted((ROOT / "sisr_jax" / room).rglob("*.py"))
            for change in changes(path.read_text())
        ]
        # A seed for each: a change in one room draws nothing else in the others.
        rng = random.Random(f"{seed} {room}")
        by_room.append(rng.sample(found, -(-count // len(ROOMS))))
    return [each for turn in zip(*by_room, strict=True) for each in turn][:count]


def examine(
    copy: pathlib.Path, file: str, change: Change, tests: list[str]
) -> tuple[str, str]:
    """Whether a test fails with a change, and which one.

    Args:
        copy: Checkout to make the change in.
        file: To be changed.
        change: What to change.
        tests: Files of the tests that may notice.
    """
    if not tests:  # pytest would take them all
        return "survived", ""
    path, source = copy / file, (ROOT / file).read_text()
    path.write_text(change.apply(source))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow"]
    command += ["-p", "no:cacheprovider", "--tb=no", "-rfE", *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, capture_output=True, text=True, timeout=TEST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "slow", ""
    finally:
        path.write_text(source)
    if done.returncode == 0:
        return "survived", ""
    failed = [
        line.split()[1]
        for line in done.stdout.splitlines()
        if line.startswith(("FAILED", "ERROR"))
    ]
    return "killed", failed[0] if failed else "at the start"


def tests_of(covering: dict, file: str, change: Change, *, seconds: float) -> list[str]:
    """Test files that run a line of a change, the most likely to notice it first.

    If none does, it runs when the module is imported or in a process of its own: then
    those that run any line of the module. Those that would take longer than `seconds`
    altogether are left out, but for tests of the module's name.
    """
    lines = covering["lines"].get(file, {})
    stop = change.line + change.before.count("\n")
    found = {
        test
        for line in range(change.line, stop + 1)
        for test in lines.get(str(line), [])
    }
    found = found or {test for tests in lines.values() for test in tests}
    name = f"test_{pathlib.PurePath(file).stem}"
    takes = covering["seconds"]
    own = {test for test in found if pathlib.PurePath(test).stem.startswith(name)}
    others = sorted(found - own, key=takes.__getitem__)
    total = itertools.accumulate(takes[test] for test in others)
    near = [test for test, sum_ in zip(others, total, strict=True) if sum_ < seconds]
    return sorted(own, key=takes.__getitem__) + near


def _short(text: str) -> str:
    return " ".join(text.split())[:100]


def _read() -> dict[tuple, Row]:
    if not TABLE.exists():
        return {}
    with TABLE.open(newline="") as file:
        rows = [
            Row(r[0], int(r[1]), *r[2:6], float(r[6]))
            for r in list(csv.reader(file))[1:]
        ]
    return {row[:4]: row for row in rows}


def _write(rows: list[Row]) -> None:
    with TABLE.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([Row._fields, *rows])


if __name__ == "__main__":
    main()

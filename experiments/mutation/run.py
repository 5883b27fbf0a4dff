"""Changes lines of the package, one at a time, and runs the tests that should notice.

    python -m experiments.mutation.run --seed 0 --count 100
    python -m experiments.mutation.run --again

A change is drawn from those of `changes`: for each room the same number, over the lines
of its files. It is made in a copy of the checkout; there the quick tests run until one
fails: first those named after the module, then those that import it. A change that none
of these notices has survived. `mutations.csv` beside this file has a line for each; a
run that was stopped goes on, `--again` repeats those that survived, with all tests of
their room. Exit code 1 if any did.
"""

import argparse
import csv
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
# A test that takes this long does not end any more, and that is noticed, too.
TEST_SECONDS = 900


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
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--again", action="store_true")
    arguments = parser.parse_args()
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
            verdict, by = examine(copy, file, change, everywhere=arguments.again)
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
    copy: pathlib.Path, file: str, change: Change, *, everywhere: bool
) -> tuple[str, str]:
    """Whether a test fails with a change, and which one.

    Args:
        copy: Checkout to make the change in.
        file: To be changed.
        change: What to change.
        everywhere: Whether to run the other tests of the room, too.
    """
    path, source = copy / file, (ROOT / file).read_text()
    path.write_text(change.apply(source))
    try:
        groups = _tests_of(copy, file)
        for tests in groups if everywhere else groups[:2]:
            if not tests:
                continue
            command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow"]
            command += ["-p", "no:cacheprovider", "--tb=no", "-rfE", *tests]
            try:
                done = subprocess.run(
                    command,
                    cwd=copy,
                    capture_output=True,
                    text=True,
                    timeout=TEST_SECONDS,
                )
            except subprocess.TimeoutExpired:
                return "slow", " ".join(tests)[:80]
            if done.returncode not in (0, 5):  # 5: no test was selected
                failed = [
                    line.split()[1]
                    for line in done.stdout.splitlines()
                    if line.startswith(("FAILED", "ERROR"))
                ]
                return "killed", failed[0] if failed else "at the start"
        return "survived", ""
    finally:
        path.write_text(source)


def _tests_of(copy: pathlib.Path, file: str) -> list[list[str]]:
    """Test files by groups: of the module, of what imports it, of its room."""
    module = pathlib.PurePath(file).with_suffix("")
    name, room = ".".join(module.parts), module.parts[1]
    tests = sorted((copy / "tests").rglob("test_*.py"))
    own = [path for path in tests if path.stem.startswith(f"test_{module.name}")]
    importing = [
        path
        for path in tests
        if f"{name} import" in (text := path.read_text()) or f"import {name}" in text
    ]
    mine = [path for path in tests if path.is_relative_to(copy / "tests" / room)]
    groups, seen = [], set()
    for group in (own, importing, mine):
        groups.append([str(p.relative_to(copy)) for p in group if p not in seen])
        seen |= set(group)
    return groups


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

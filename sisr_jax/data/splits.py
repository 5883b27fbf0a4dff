"""Which files of a folder belong to which split: a CSV, or a hash of the patient.

A split is a property of a file, and of its patient: all slices of a volume, and all
files of a patient, land in the same one.
"""

import difflib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from sisr_jax.data.csv_rows import read_csv_rows
from sisr_jax.data.leaks import check_leaks
from sisr_jax.data.persons import fold_name, identify
from sisr_jax.errors import InputError

Split = Literal["train", "validation", "test"]

_NAMES: dict[str, Split] = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
_PATIENT_COLUMNS = ("patient", "patient_id", "PatientID")
# Of a folder, that are compared with a name that is not in it.
_MOST_NAMES = 10_000


class Assignment(NamedTuple):
    """Split and patient of a file; the patient is empty when a CSV names none."""

    split: Split
    patient: str


class _Row(NamedTuple):
    line: int
    file: str
    split: Split
    patient: str


def split_by_patient(files: Sequence[Path], *, root: Path) -> dict[Path, Split]:
    """Assigns each file by a hash of its patient: 80 / 10 / 10 per cent.

    The hash (SHA-256 of the patient as it is written, see `persons.identify`)
    depends on nothing else, so adding patients never moves one to another split, and
    all files of a patient land in the same one. With few patients a split may be
    empty.

    Args:
        files: Files below `root`.
        root: The folder of the data.

    Returns:
        Split of every file, in the order given.

    Raises:
        InputError: If a patient is written in two ways that land in two splits, or
            two names in two splits are one file.
    """
    assignments = {file: assign(file, root=root) for file in files}
    check_leaks(assignments, root=root, name=f"config.data.path = {str(root)!r}")
    return {file: assignment.split for file, assignment in assignments.items()}


def assign(file: Path, *, root: Path) -> Assignment:
    """Split and patient of one file, see `split_by_patient`."""
    patient = identify(file, root=root)
    return Assignment(_split_of(patient.written), patient.name)


def _split_of(patient: str) -> Split:
    # Names of files need not be text.
    name = patient.encode(errors="surrogateescape")
    percent = int.from_bytes(hashlib.sha256(name).digest()[:8]) % 100
    if percent < 80:
        return "train"
    return "validation" if percent < 90 else "test"


def read_splits_csv(csv_file: Path, *, root: Path) -> dict[Path, Split]:
    """Reads the split of each listed file inside `root`.

    As `read_assignments`, without the patients.
    """
    assignments = read_assignments(csv_file, root=root)
    return {file: assignment.split for file, assignment in assignments.items()}


def read_assignments(csv_file: Path, *, root: Path) -> dict[Path, Assignment]:
    """Reads split and patient of each listed file inside `root`.

    Columns `file` and `split`, and `patient`, `patient_id` or `PatientID` if there is
    one; others are ignored. `file` is relative to the CSV's own folder when that
    contains `root` (a manifest above several image folders), else to `root` (a CSV kept
    apart from the data). Rows elsewhere in that base folder are skipped. Without a
    column for the patient, PatientID and study of DICOM files take its place.

    Args:
        csv_file: The CSV, UTF-8.
        root: The folder of the data.

    Returns:
        Split and patient of each file, sorted by path.

    Raises:
        InputError: If the CSV or a listed file is absent, no row is inside `root`, a
            column is missing, a split is unknown, a path leaves the base folder, a
            file is listed twice, or a patient or a file is in two splits.
    """
    if not os.path.isfile(csv_file):
        raise InputError(f"config.data.splits_csv = {str(csv_file)!r}: no such file")
    folder, data = csv_file.parent.resolve(), root.resolve()
    base = folder if data.is_relative_to(folder) else data
    inside_base, inside_data = (os.path.join(place, "") for place in (base, data))
    assignments: dict[Path, Assignment] = {}
    elsewhere: _Row | None = None
    for line, name, split, patient in _read_rows(csv_file):
        where = f"{csv_file}, line {line}: {name!r}"
        # Lexical: a symbolic link inside the folder is the owner's decision.
        absolute = os.path.normpath(os.path.join(base, name))
        if not absolute.startswith(inside_base):
            raise InputError(f"{where} is outside {base}")
        is_ours = absolute.startswith(inside_data)
        # Else a bare name, meant for this folder, would pass for one of another.
        if is_ours or os.path.isfile(os.path.join(data, name)):
            if not os.path.isfile(absolute):  # of any name, also one no file can have
                hint = _suggest(name, base, data)
                raise InputError(f"{where}: no such file in {base}{hint}")
        if not is_ours:
            elsewhere = elsewhere or _Row(line, name, split, patient)
            continue
        file = root / absolute[len(inside_data) :]
        if file in assignments:
            raise InputError(f"{where} is listed twice")
        assignments[file] = Assignment(split, fold_name(patient))
    if not assignments:
        example = ""
        if elsewhere:
            hint = _suggest(elsewhere.file, base, data)
            example = f"; line {elsewhere.line} is {elsewhere.file!r}{hint}"
        raise InputError(f"{csv_file}: no row is a file in {root}{example}")
    check_leaks(assignments, root=root, name=str(csv_file), stated=True)
    return dict(sorted(assignments.items()))


def _suggest(name: str, base: Path, data: Path) -> str:
    """The listed name as it should be, if there is a file like that."""
    parts = Path(name).parts
    ends = [Path(*parts[start:]) for start in range(len(parts))]
    found = next((data / end for end in ends if os.path.isfile(data / end)), None)
    if found is None:
        folder = (base / name).parent
        names = os.listdir(folder)[:_MOST_NAMES] if os.path.isdir(folder) else []
        stems = {Path(each).stem.casefold(): each for each in names}
        close = difflib.get_close_matches(ends[-1].stem.casefold(), stems, n=1)
        found = folder / stems[close[0]] if close else None
    if found is None:
        return ""
    return f"; did you mean {found.relative_to(base).as_posix()!r}?"


def _read_rows(csv_file: Path) -> Iterator[_Row]:
    rows = read_csv_rows(csv_file, columns=("file", "split"), optional=_PATIENT_COLUMNS)
    return (_parse_row(csv_file, line, row) for line, row in rows)


def _parse_row(csv_file: Path, line: int, row: Mapping[str, str]) -> _Row:
    name, split = row["file"], row["split"]
    if not name or split not in _NAMES:
        raise InputError(
            f"{csv_file}, line {line}: file {name!r}, split {split!r}; expected a "
            f"file and one of {', '.join(_NAMES)}"
        )
    columns = [column for column in _PATIENT_COLUMNS if column in row]
    if len(columns) > 1:
        raise InputError(f"{csv_file}: columns {' and '.join(columns)}, expected one")
    return _Row(line, name, _NAMES[split], row[columns[0]] if columns else "")

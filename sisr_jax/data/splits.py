"""Which files of a folder belong to which split: a CSV, or a hash of the patient.

A split is a property of a file, and of its patient: all slices of a volume, and all
files of a patient, land in the same one.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from sisr_jax.data.csv_rows import read_csv_rows
from sisr_jax.data.formats.dicom.opening import is_dicom
from sisr_jax.data.formats.dicom.patient import hash_patient
from sisr_jax.errors import InputError

Split = Literal["train", "validation", "test"]

_NAMES: dict[str, Split] = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
_PATIENT_COLUMNS = ("patient", "patient_id")


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

    The hash (SHA-256 of the patient's name, see `find_patient`) depends on nothing
    else, so adding patients never moves one to another split, and all files of a
    patient land in the same one. With few patients a split may be empty.

    Args:
        files: Files below `root`.
        root: The folder of the data.

    Returns:
        Split of every file, in the order given.
    """
    return {file: assign(file, root=root).split for file in files}


def assign(file: Path, *, root: Path) -> Assignment:
    """Split and patient of one file, see `split_by_patient`."""
    patient = find_patient(file, root=root)
    return Assignment(_split_of(patient), patient)


def find_patient(file: Path, *, root: Path) -> str:
    """What stands for the patient of a file.

    The first of these that exists:

    1. the file name up to the first `__` (`P012__series_003.png`: `P012`);
    2. for DICOM, the SHA-256 of the PatientID;
    3. the first folder below `root`, when the file is in one (not the innermost:
       the series of a patient must stay together);
    4. the file name without its extension: every file is a patient of its own.

    Args:
        file: A file below `root`.
        root: The folder of the data.
    """
    prefix, found, _ = file.name.partition("__")
    if found and prefix:
        return prefix
    hashed = _hash_dicom_patient(file)
    if hashed:
        return hashed
    relative = file.relative_to(root)
    return relative.parts[0] if len(relative.parts) > 1 else file.stem


def _split_of(patient: str) -> Split:
    percent = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8]) % 100
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

    Columns `file` and `split`, and `patient` or `patient_id` if there is one; others
    are ignored. `file` is relative to the CSV's own folder when that contains `root`
    (a manifest above several image folders), else to `root` (a CSV kept apart from
    the data). Rows elsewhere in that base folder are skipped. Without a column for
    the patient, the PatientID of DICOM files takes its place.

    Args:
        csv_file: The CSV, UTF-8.
        root: The folder of the data.

    Returns:
        Split and patient of each file, sorted by path.

    Raises:
        InputError: If the CSV or a listed file is absent, a column is missing, a
            split is unknown, a path leaves the base folder, a file is listed
            twice, or a patient is in two splits.
    """
    if not csv_file.is_file():
        raise InputError(f"config.data.splits_csv = {str(csv_file)!r}: no such file")
    folder, data = csv_file.parent.resolve(), root.resolve()
    base = folder if data.is_relative_to(folder) else data
    assignments: dict[Path, Assignment] = {}
    for line, name, split, patient in _read_rows(csv_file):
        # Lexical: a symbolic link inside the folder is the owner's decision.
        absolute = Path(os.path.normpath(base / name))
        if not absolute.is_relative_to(base):
            raise InputError(f"{csv_file}, line {line}: {name!r} is outside {base}")
        if not absolute.is_relative_to(data):
            continue
        file = root / absolute.relative_to(data)
        if not os.path.isfile(file):  # of any name, also one that no file can have
            raise InputError(
                f"{csv_file}, line {line}: {name!r}: no such file in {base}"
            )
        if file in assignments:
            raise InputError(f"{csv_file}, line {line}: {name!r} is listed twice")
        assignments[file] = Assignment(split, patient)
    _check_patients(csv_file, assignments, root=root)
    return dict(sorted(assignments.items()))


def _check_patients(
    csv_file: Path, assignments: Mapping[Path, Assignment], *, root: Path
) -> None:
    first: dict[str, Path] = {}
    for file, (split, patient) in assignments.items():
        identity = patient or _hash_dicom_patient(file)
        if not identity:
            continue
        other = first.setdefault(identity, file)
        if assignments[other].split != split:
            # An identifier from a DICOM header is not shown, not even its hash.
            who = f"patient {patient!r}" if patient else "the patient of a DICOM header"
            raise InputError(
                f"{csv_file}: {who} is in two splits: "
                f"{other.relative_to(root).as_posix()} in {assignments[other].split}, "
                f"{file.relative_to(root).as_posix()} in {split}; expected one split "
                "for all files of a patient"
            )


def _hash_dicom_patient(file: Path) -> str:
    try:
        return hash_patient(file) if is_dicom(file) else ""
    except OSError as error:
        raise InputError(f"{file}: cannot be opened ({error.strerror})") from error


def _read_rows(csv_file: Path) -> list[_Row]:
    rows = read_csv_rows(csv_file, columns=("file", "split"))
    return [_parse_row(csv_file, line, row) for line, row in rows]


def _parse_row(csv_file: Path, line: int, row: Mapping[str, str]) -> _Row:
    name, split = row["file"], row["split"]
    if not name or split not in _NAMES:
        raise InputError(
            f"{csv_file}, line {line}: file {name!r}, split {split!r}; expected a "
            f"file and one of {', '.join(_NAMES)}"
        )
    patient = next((row[c] for c in _PATIENT_COLUMNS if c in row), "")
    return _Row(line, name, _NAMES[split], patient.strip())

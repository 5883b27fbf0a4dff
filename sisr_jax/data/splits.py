"""Which files of a folder belong to which split: a CSV, or a hash of the patient."""

import csv
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sisr_jax.data import dicom
from sisr_jax.errors import InputError

Split = Literal["train", "validation", "test"]

_NAMES: dict[str, Split] = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}


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
    return {file: _split_of(find_patient(file, root=root)) for file in files}


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
    if dicom.has_magic(file):
        hashed = dicom.hash_patient(file)
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

    Columns `file` and `split`; others are ignored. `file` is relative to the CSV's
    own folder when that contains `root` (a manifest above several image folders),
    else to `root` (a CSV kept apart from the data). Rows elsewhere in that base
    folder are skipped.

    Args:
        csv_file: The CSV, UTF-8.
        root: The folder of the data.

    Returns:
        Split of each file, sorted by path.

    Raises:
        InputError: If the CSV or a listed file is absent, a column is missing, a
            split is unknown, a path leaves the base folder, or a file is listed
            twice.
    """
    if not csv_file.is_file():
        raise InputError(f"config.data.splits_csv = {str(csv_file)!r}: no such file")
    folder, data = csv_file.parent.resolve(), root.resolve()
    base = folder if data.is_relative_to(folder) else data
    splits: dict[Path, Split] = {}
    for line, name, split in _read_rows(csv_file):
        # Lexical: a symbolic link inside the folder is the owner's decision.
        absolute = Path(os.path.normpath(base / name))
        if not absolute.is_relative_to(base):
            raise InputError(f"{csv_file}, line {line}: {name!r} is outside {base}")
        if not absolute.is_relative_to(data):
            continue
        file = root / absolute.relative_to(data)
        if not file.is_file():
            raise InputError(
                f"{csv_file}, line {line}: {name!r}: no such file in {base}"
            )
        if file in splits:
            raise InputError(f"{csv_file}, line {line}: {name!r} is listed twice")
        splits[file] = split
    return dict(sorted(splits.items()))


def _read_rows(csv_file: Path) -> list[tuple[int, str, Split]]:
    rows = []
    try:
        with csv_file.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = {"file", "split"} - set(reader.fieldnames or ())
            if not missing:
                rows = [(reader.line_num, r["file"], r["split"]) for r in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{csv_file}: not a UTF-8 CSV file ({error})") from error
    if missing:
        raise InputError(f"{csv_file}: no column {', '.join(sorted(missing))}")
    for line, name, split in rows:
        if not name or split not in _NAMES:
            raise InputError(
                f"{csv_file}, line {line}: file {name!r}, split {split!r}; expected a "
                f"file and one of {', '.join(_NAMES)}"
            )
    return [(line, name, _NAMES[split]) for line, name, split in rows]

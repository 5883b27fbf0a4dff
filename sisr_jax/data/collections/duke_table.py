"""The CSV of a split of duke_ultrasound: one row a frame, checked and as numbers.

Columns name the file, the sector in the probe's polar coordinates (`axial_samples` in
depth, `lateral_samples` in angle) and how it was recorded.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sisr_jax.data.csv_rows import read_csv_rows
from sisr_jax.errors import InputError, one_line

_MAX_SIDE = 2**15
LARGEST = 1e30  # float32 ends at 3e38
# Feature and its column.
NUMBERS = {
    "initial_radius": "initial_radius",
    "final_radius": "final_radius",
    "initial_angle": "initial_angle",
    "final_angle": "final_angle",
    "f0_hz": "f0",
    "voltage": "v",
    "focus_cm": "focus_cm",
}
TEXTS = ("probe", "scanner", "target")
_TRUE = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def read_table(table: Path) -> list[dict[str, Any]]:
    """Reads the rows of a split.

    Args:
        table: The CSV.

    Returns:
        For each frame `name` (its file), `height`, `width`, the numbers and texts by
        their feature, `timestamp_id` and `harmonic`, in the order of the file.

    Raises:
        InputError: If the file is not such a table, or a row is unusable, leads out of
            the archive or names a file again.
    """
    columns = {"filename", "timestamp_id", "harm", "axial_samples", "lateral_samples"}
    columns |= {*NUMBERS.values(), *TEXTS}
    rows: dict[str, dict[str, Any]] = {}
    for line, raw in read_csv_rows(table, columns=columns):
        row = _parse(raw, f"{table}, line {line}")
        if row["name"] in rows:
            raise InputError(f"{table}, line {line}: {row['name']!r} is listed twice")
        rows[row["name"]] = row
    if not rows:
        raise InputError(f"{table}: no rows")
    return list(rows.values())


def _parse(raw: Mapping[str, str], where: str) -> dict[str, Any]:
    filename = PurePosixPath(raw["filename"])
    if filename.is_absolute() or ".." in filename.parts or not filename.name:
        raise InputError(
            f"{where}: filename {str(filename)!r} is not inside the archive"
        )
    row: dict[str, Any] = {"name": str(filename)}
    try:
        for feature, column in NUMBERS.items():
            row[feature] = float(raw[column])
            if not abs(row[feature]) < LARGEST:
                raise ValueError(f"{column} {raw[column]!r}, expected a finite number")
        row["height"] = int(float(raw["axial_samples"]))
        row["width"] = int(float(raw["lateral_samples"]))
        row["timestamp_id"] = int(raw["timestamp_id"])
        row["harmonic"] = _TRUE[raw["harm"].strip().lower()]
        if not (0 < row["height"] <= _MAX_SIDE and 0 < row["width"] <= _MAX_SIDE):
            raise ValueError(f"{row['height']}x{row['width']} samples")
        if not 0 <= row["timestamp_id"] < 10**14:
            raise ValueError("timestamp_id, expected up to 14 digits")
        if not 0 <= row["initial_radius"] < row["final_radius"]:
            raise ValueError("initial_radius, expected 0 or more, below final_radius")
        if row["initial_angle"] == row["final_angle"]:
            raise ValueError("initial_angle, expected another one than final_angle")
    except (ValueError, OverflowError, KeyError) as error:
        raise InputError(f"{where}: unusable row ({one_line(error)})") from error
    return row | {name: raw[name] for name in TEXTS}

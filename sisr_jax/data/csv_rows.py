"""CSV files that others wrote: of bounded size, and wrong in one line."""

import csv
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from sisr_jax.errors import InputError

# Far above the 32,735 rows of DL_info.csv, the largest table read here.
MAX_BYTES = 2**26


class CsvRow(NamedTuple):
    """A row below the header.

    Attributes:
        line: Where it ends in the file, counted from 1.
        cells: Text by column; empty where the row is too short.
    """

    line: int
    cells: dict[str, str]


def read_csv_rows(path: Path, *, columns: Collection[str]) -> list[CsvRow]:
    """Reads a UTF-8 table whose first line names the columns.

    Args:
        path: The file.
        columns: Names that must be there; others are read as well.

    Returns:
        Its rows, in order.

    Raises:
        InputError: If the file is missing, too large or no such table.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a CSV table")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(
            f"{path}: {size} bytes, expected a table of at most {MAX_BYTES}"
        )
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise InputError(f"{path}: no column {', '.join(sorted(missing))}")
            # Cells beyond the header come under the name None.
            return [
                CsvRow(reader.line_num, {k: v for k, v in row.items() if k is not None})
                for row in reader
            ]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a UTF-8 CSV file ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from error

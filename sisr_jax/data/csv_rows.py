"""CSV files that others wrote: of bounded size, and wrong in one line."""

import csv
import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from sisr_jax.errors import InputError, one_line

# Three times the size of DL_info.csv, the largest table read here, and a split of a
# quarter of a million files.
MAX_BYTES, MAX_ROWS = 2**25, 2**18
_SHOWN = 100


class CsvRow(NamedTuple):
    """A row below the header.

    Attributes:
        line: Where it ends in the file, counted from 1.
        cells: Text by column; empty where the row is too short.
    """

    line: int
    cells: dict[str, str]


def read_csv_rows(
    path: Path,
    *,
    columns: Collection[str],
    optional: Collection[str] = (),
    max_rows: int = MAX_ROWS,
    max_bytes: int = MAX_BYTES,
) -> Iterator[CsvRow]:
    """Reads a UTF-8 table whose first line names the columns, row by row.

    Args:
        path: The file.
        columns: Names that must be there, each once.
        optional: Names that may be there, each once; all others are ignored.
        max_rows: Most rows.
        max_bytes: Most bytes of the file.

    Yields:
        Its rows, in order.

    Raises:
        InputError: If the file is missing, too large or no such table.
    """
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file, expected a CSV table")
    size = path.stat().st_size
    if size > max_bytes:
        raise InputError(
            f"{path}: {size} bytes, expected a table of at most {max_bytes}"
        )
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            places = _find_columns(path, header, columns, optional)
            rows = filter(None, reader)  # empty lines are none
            for number, row in enumerate(rows, start=1):
                if number > max_rows:
                    raise InputError(f"{path}: more than {max_rows} rows")
                cells = {
                    name: row[place] if place < len(row) else ""
                    for name, place in places.items()
                }
                yield CsvRow(reader.line_num, cells)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a UTF-8 CSV file ({one_line(error)})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from error


def _find_columns(
    path: Path, header: list[str], columns: Collection[str], optional: Collection[str]
) -> dict[str, int]:
    missing = set(columns) - set(header)
    if missing:
        found = ", ".join(header)
        found = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}..."
        raise InputError(
            f"{path}: no column {', '.join(sorted(missing))}; found {found!r}"
        )
    wanted = [name for name in (*columns, *optional) if name in header]
    counts = Counter(header)
    for name in wanted:
        if counts[name] > 1:
            raise InputError(f"{path}: {counts[name]} columns {name!r}, expected one")
    return {name: header.index(name) for name in wanted}

"""Tables of the experiments as Markdown.

A page may have lines of these forms:

    {csv PATH [COLUMN, ...] [COLUMN=VALUE, ...]}   columns of the rows with the values
    {section PATH HEADING}                         the tables below a heading
    {made MODULE ARGUMENT ...}                     what a command of experiments prints

A line that finds nothing is an error: no page shows less than it says.
"""

import contextlib
import csv
import io
import re
import runpy
import sys
from collections.abc import Mapping, Sequence

from docs.generate.scripts import ROOT

_CSV = re.compile(r"^\{csv (\S+) \[(.*?)\](?: \[(.*?)\])?\}$", re.MULTILINE)
_SECTION = re.compile(r"^\{section (\S+) (.*?)\}$", re.MULTILINE)
_MADE = re.compile(r"^\{made (experiments\.[\w.]+)(.*?)\}$", re.MULTILINE)


def filled(markdown: str) -> str:
    """A page with its tables.

    Raises:
        ValueError: If a line finds nothing.
    """
    markdown = _CSV.sub(
        lambda found: csv_table(found[1], _split(found[2]), _pairs(found[3] or "")),
        markdown,
    )
    markdown = _SECTION.sub(lambda found: section(found[1], found[2]), markdown)
    return _MADE.sub(lambda found: made(found[1], found[2].split()), markdown)


def csv_table(path: str, columns: Sequence[str], where: Mapping[str, str]) -> str:
    """Some columns of the rows of a CSV file that have the given values.

    Raises:
        ValueError: If there is no such column or row.
    """
    with (ROOT / path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    if missing := [name for name in [*columns, *where] if name not in rows[0]]:
        raise ValueError(f"{path}: no columns {missing}")
    found = [row for row in rows if all(row[key] == where[key] for key in where)]
    if not found:
        raise ValueError(f"{path}: no row with {dict(where)}")
    lines = [list(columns), ["---"] * len(columns)]
    lines += [[_short(row[name]) for name in columns] for row in found]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section(path: str, heading: str) -> str:
    """The tables of a Markdown file below a heading, up to the next one.

    Raises:
        ValueError: If there is no such heading, or no table below it.
    """
    text = "\n" + (ROOT / path).read_text()
    _, found, rest = text.partition(f"\n{heading}\n")
    body = rest.split("\n#")[0] if found else ""
    tables = [part for part in body.split("\n\n") if part.strip().startswith("|")]
    if not tables:
        raise ValueError(f"{path}: no table below {heading!r}")
    return "\n\n".join(part.strip() for part in tables)


def made(module: str, arguments: Sequence[str]) -> str:
    """The tables that `python -m MODULE ARGUMENTS` prints in the root of the project.

    Raises:
        ValueError: If it prints none.
    """
    printed, before = io.StringIO(), sys.argv
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(printed):
        try:
            sys.argv = [module, *arguments]
            runpy.run_module(module, run_name="__main__")
        finally:
            sys.argv = before
    text = printed.getvalue().strip()
    if not re.search(r"^\| ?---", text, re.MULTILINE):
        raise ValueError(f"{module}: no table")
    return text


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")]


def _pairs(text: str) -> dict[str, str]:
    return dict(item.split("=", 1) for item in _split(text) if item)


def _short(text: str) -> str:
    """A number with four digits, anything else as it is."""
    try:
        number = float(text)
    except ValueError:
        return text.replace("|", "\\|")
    return text if len(text) <= 6 else f"{number:.4g}"

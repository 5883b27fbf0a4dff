"""Tables for people: aligned text and Markdown.

The heading of the first column is the name of the protocol, so that a table
cannot be copied without it.
"""

import math
from collections.abc import Sequence

from sisr_jax.evaluation.statistics import Interval
from sisr_jax.evaluation.table import Row

_HEADER = ("images", "patients", "PSNR [dB]", "95 %", "SSIM", "95 %", "p")


def format_table(rows: Sequence[Row]) -> str:
    """The rows as aligned plain text, without a line break at the end."""
    cells = [(_heading(rows), *_HEADER), *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_align(line, widths, "  ").rstrip() for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*lines, *_notes(rows)])


def format_markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, ending with a line break."""
    notes = [f"\n{note}" for note in _notes(rows)]
    table = _markdown([(_heading(rows), *_HEADER), *map(_cells, rows)])
    return "\n".join([table, *notes]) + "\n"


def format_details(rows: Sequence[Row]) -> str:
    """The means of the further numbers as a Markdown table."""
    names = list(dict.fromkeys(name for row in rows for name in row.more))
    lines = [
        (row.method, *(_number(name, row.more.get(name, math.nan)) for name in names))
        for row in rows
    ]
    return _markdown([(_heading(rows), *names), *lines]) + "\n"


def format_side_by_side(protocols: Sequence[Sequence[Row]]) -> str:
    """Several protocols as one Markdown table: a line a method, PSNR / SSIM.

    Args:
        protocols: Rows of each; a method that one lacks is left blank there.
    """
    names = list(dict.fromkeys(row.method for rows in protocols for row in rows))
    header = ("method", *(_heading(rows) for rows in protocols))
    by_name = [{row.method: _pair(row) for row in rows} for rows in protocols]
    lines = [(name, *(cells.get(name, "") for cells in by_name)) for name in names]
    return _markdown([header, *lines]) + "\n"


def _heading(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(row.protocol for row in rows))
    if len(names) > 1:
        raise ValueError(f"rows of {', '.join(names)}: expected one protocol")
    return names[0] if names else "method"


def _pair(row: Row) -> str:
    return f"{row.psnr:.2f} / {row.ssim:.3f}"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.method,
        str(row.num_images),
        str(row.num_patients),
        f"{row.psnr:.2f}",
        _span(row.psnr_interval, 2),
        f"{row.ssim:.4f}",
        _span(row.ssim_interval, 3),
        "" if math.isnan(row.p_value) else f"{row.p_value:.2g}",
    )


def _span(interval: Interval, digits: int) -> str:
    if math.isnan(interval.low):
        return ""
    return f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"


def _number(name: str, value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.2f}" if name.startswith("psnr") else f"{value:.4g}"


def _markdown(cells: Sequence[Sequence[str]]) -> str:
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    lines = [f"| {_align(line, widths, ' | ')} |" for line in cells]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, f"| {' | '.join(rule)} |")
    return "\n".join(lines)


def _align(cells: Sequence[str], widths: Sequence[int], separator: str) -> str:
    numbers = [
        cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)
    ]
    return separator.join([cells[0].ljust(widths[0]), *numbers])


def _notes(rows: Sequence[Row]) -> list[str]:
    """Says how many images stand behind an infinite mean, and what p is."""
    notes = [
        f"{row.method}: PSNR is infinite for {row.num_exact} of {row.num_images} "
        "images, reproduced exactly"
        for row in rows
        if row.num_exact
    ]
    reference = [row.method for row in rows if math.isnan(row.p_value)]
    if len(reference) == 1 < len(rows):
        notes.append(
            f"95 %: bootstrap over patients; p: Wilcoxon over patients, PSNR against "
            f"{reference[0]}"
        )
    return notes

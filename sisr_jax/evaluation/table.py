"""Per-image scores, their means, and how both are written down."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from etils import epath


class Score(NamedTuple):
    """How one method did on one image: PSNR in dB, SSIM at most 1."""

    method: str
    image: str
    psnr: float
    ssim: float


class Row(NamedTuple):
    """Means of one method over its images.

    Attributes:
        method: Name of the method.
        num_images: Images scored.
        psnr: Mean in dB over all of them; infinite as soon as one image is
            reproduced exactly. Nothing is left out of a mean.
        ssim: Mean over all of them.
        num_exact: Images of infinite PSNR.
    """

    method: str
    num_images: int
    psnr: float
    ssim: float
    num_exact: int


def write_csv(path: epath.PathLike, scores: Sequence[Score]) -> None:
    """Writes one line for each method and image, replacing the file in one move.

    Numbers keep all their digits; `inf` and `nan` are written as such.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Score._fields)
    writer.writerows(scores)
    path = epath.Path(path)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text.getvalue())
    temporary.replace(path)


def summarise(scores: Sequence[Score]) -> list[Row]:
    """Means by method, methods in the order in which they first appear."""
    by_method: dict[str, list[Score]] = {}
    for score in scores:
        by_method.setdefault(score.method, []).append(score)
    return [_row(method, each) for method, each in by_method.items()]


def format_table(rows: Sequence[Row]) -> str:
    """The rows as aligned plain text, without a line break at the end."""
    cells = [_HEADER, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_align(line, widths, "  ").rstrip() for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*lines, *_notes(rows)])


def format_markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, ending with a line break."""
    cells = [_HEADER, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [f"| {_align(line, widths, ' | ')} |" for line in cells]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, f"| {' | '.join(rule)} |")
    notes = [f"\n{note}" for note in _notes(rows)]
    return "\n".join([*lines, *notes]) + "\n"


_HEADER = ("method", "images", "PSNR [dB]", "SSIM")


def _row(method: str, scores: Sequence[Score]) -> Row:
    psnr = np.array([score.psnr for score in scores])
    return Row(
        method=method,
        num_images=len(scores),
        psnr=float(psnr.mean()),
        ssim=float(np.mean([score.ssim for score in scores])),
        num_exact=int(np.isposinf(psnr).sum()),
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (row.method, str(row.num_images), f"{row.psnr:.2f}", f"{row.ssim:.4f}")


def _align(cells: Sequence[str], widths: Sequence[int], separator: str) -> str:
    numbers = [
        cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)
    ]
    return separator.join([cells[0].ljust(widths[0]), *numbers])


def _notes(rows: Sequence[Row]) -> list[str]:
    """Says how many images stand behind an infinite mean."""
    return [
        f"{row.method}: PSNR is infinite for {row.num_exact} of {row.num_images} "
        "images, reproduced exactly"
        for row in rows
        if row.num_exact
    ]

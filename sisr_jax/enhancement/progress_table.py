"""What of a folder is done: settings and numbers beside the images.

Numbers are added to the table file by file, so that a folder of many files takes no
longer for each; a kill may cut the last row short.
"""

import csv
import hashlib
import io
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from etils import epath

import sisr_jax
from sisr_jax.data.csv_rows import read_csv_rows
from sisr_jax.enhancement.jobs import Job
from sisr_jax.enhancement.places import places_of, real
from sisr_jax.enhancement.request import Request
from sisr_jax.errors import InputError, one_line
from sisr_jax.inference import Restorer
from sisr_jax.inference.slices import Outcome
from sisr_jax.storage.failures import reporting
from sisr_jax.storage.files import append, check_file, write_whole
from sisr_jax.storage.json_files import read_object

SETTINGS, NUMBERS = "enhance.json", "enhance.csv"
# In the settings until all files are replaced that `--overwrite` is to replace.
_OVERWRITING = "overwriting"
# Of a table that this command wrote: an image has some 150 bytes.
_MAX_ROWS, _MAX_BYTES = 2**22, 2**30
_SCORES: Sequence[str] = "residual psnr ssim psnr_fbp ssim_fbp".split()
_FIELDS = ("file", "image", *_SCORES, "source")


def begin(
    request: Request, restorer: Restorer, jobs: Sequence[Job]
) -> list[dict[str, str]]:
    """Rows of what is done already; writes settings and table.

    Of files that are restored again, what was written is removed.

    Raises:
        InputError: If the folder is of another command, or a file that would be written
            is there and not by this one.
        StorageError: If the storage fails.
    """
    settings = _settings(request, restorer)
    path, numbers = _places(request)
    rows = _done_before(request, settings)
    digests = {row["file"]: row["source"] for row in rows}
    done, sources = set(), {real(job.source.path) for job in jobs}
    for job in jobs:
        name, is_there = job.name, os.path.lexists(job.target)
        for place in places_of(job.target, request):
            # By way of a link to a folder; one to a file would be replaced itself.
            if real(place.parent) / place.name in sources:
                raise InputError(f"{place}: a file of INPUT, expected another place")
            if os.path.lexists(place) and (
                place.is_dir() or not (request.overwrite or name in digests)
            ):
                raise InputError(
                    f"{place}: is there, and not by this command; --overwrite replaces "
                    "files"
                )
            check_file(place)
        if is_there and name in digests:
            if digests[name] == digest_of(job.source.path):
                done.add(name)
            else:
                print(
                    f"sisr_jax.enhance: {job.source.path}: has changed since it was "
                    "restored, and is restored again",
                    file=sys.stderr,
                )
    for job in jobs:
        if job.name in digests and job.name not in done:
            # Out of the table, it would be somebody else's after a kill.
            for place in places_of(job.target, request):
                with reporting(f"{place}: removing"):
                    place.unlink(missing_ok=True)
    # A file that is away, or cannot be read, may come back.
    names = {job.name for job in jobs}
    away = {name for name in digests if os.path.lexists(request.output / name)} - names
    rows = [row for row in rows if row["file"] in done | away]
    if request.overwrite:
        settings |= {_OVERWRITING: True}
    # The table first: rows of old settings would be taken for those of new ones.
    write_whole(numbers, _table_of(rows))
    write_whole(path, json.dumps(settings, indent=1))
    return rows


def note(request: Request, rows: Sequence[dict[str, str]]) -> None:
    """Adds the rows of a file to the table.

    Raises:
        StorageError: If the storage fails.
    """
    append(_places(request)[1], _lines_of(rows))


def finish(
    request: Request,
    restorer: Restorer,
    jobs: Sequence[Job],
    rows: Sequence[dict[str, str]],
) -> None:
    """Writes the table of all that was restored, in the order of the files.

    Last are those that are not there any more.

    Raises:
        StorageError: If the storage fails.
    """
    path, numbers = _places(request)
    order = {job.name: index for index, job in enumerate(jobs)}
    places = [order.get(row["file"], len(jobs)) for row in rows]
    ordered = [rows[i] for i in sorted(range(len(rows)), key=places.__getitem__)]
    write_whole(numbers, _table_of(ordered))
    if request.overwrite:
        write_whole(path, json.dumps(_settings(request, restorer), indent=1))


def _places(request: Request) -> tuple[epath.Path, epath.Path]:
    folder = epath.Path(request.output)
    return folder / SETTINGS, folder / NUMBERS


def _done_before(request: Request, settings: dict[str, Any]) -> list[dict[str, str]]:
    """Rows in the folder, if they are of the same command.

    One that replaces files goes on with its own, as far as it came, and else anew.
    """
    path, numbers = _places(request)
    if not (path.exists() and numbers.exists()):
        return []
    try:
        found = read_object(path)
        was_overwriting = found.pop(_OVERWRITING, False)
        if found != settings:
            raise InputError(
                f"{path}: OUT was made by another command; --overwrite replaces it"
            )
        rows = _read_table(Path(numbers))
    except InputError:
        if request.overwrite:
            return []
        raise
    return rows if was_overwriting or not request.overwrite else []


def _settings(request: Request, restorer: Restorer) -> dict[str, Any]:
    """All that a user asks for, as JSON has it; another would give other files."""
    found = request._asdict() | {"input": str(request.input.resolve())}
    del found["output"], found["overwrite"]
    return {
        "weights": identity_of(restorer),
        "version": sisr_jax.__version__,
        **{
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
        },
    }


def _read_table(path: Path) -> list[dict[str, str]]:
    rows = []
    table = read_csv_rows(
        path, columns=_FIELDS, max_rows=_MAX_ROWS, max_bytes=_MAX_BYTES
    )
    found = list(table)
    if found and not found[-1].cells["source"]:
        del found[-1]  # cut short by a kill
    for line, row in found:
        for field in _SCORES:
            try:
                float(row[field] or 0)
            except ValueError as error:
                raise InputError(
                    f"{path}, line {line}: {field} = {one_line(row[field])}: expected "
                    "a number; --overwrite replaces the table"
                ) from error
        rows.append(row)
    return rows


def digest_of(path: Path) -> str:
    """Of the content of a file, in hexadecimal.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from error


def rows_of(name: str, digest: str, outcome: Outcome) -> list[dict[str, str]]:
    """A row for each image; an image of air has no finite scores, and so none."""
    return [
        {"file": name, "image": str(index), "source": digest}
        | {
            key: f"{value:.6g}"
            for key, value in numbers.items()
            if math.isfinite(value)
        }
        for index, numbers in enumerate(outcome.numbers)
    ]


def _table_of(rows: Sequence[dict[str, str]]) -> str:
    """Rows as a CSV file."""
    return _lines_of([dict(zip(_FIELDS, _FIELDS, strict=True)), *rows])


def _lines_of(rows: Sequence[dict[str, str]]) -> str:
    text = io.StringIO()
    writer: csv.DictWriter[str] = csv.DictWriter(
        text, _FIELDS, restval="", lineterminator="\n"
    )
    writer.writerows(rows)
    return text.getvalue()


def identity_of(restorer: Restorer) -> str:
    """Which weights these are: others may have come to the same place since.

    Another run in the folder of the first one ends at the same step.
    """
    if known := restorer.card.get("sha256"):
        return known
    digest = hashlib.sha256(repr(restorer.config).encode())
    for leaf in jax.tree.leaves(jax.device_get(restorer.variables)):
        digest.update(leaf.tobytes())
    return f"step {restorer.card['step']}, {digest.hexdigest()}"


def summary(rows: list[dict[str, str]], num_problems: int) -> str:
    """What became of the files, in a line."""
    files = len({row["file"] for row in rows})
    text = f"{len(rows)} images of {files} files restored"
    if num_problems:
        text += f", {num_problems} files not"
    for key, words in (
        ("psnr", "{:.2f} dB on the mean"),
        ("psnr_fbp", "{:.2f} dB back-projected"),
        ("residual", "{:.1e} of the measurement unexplained"),
    ):
        values = [float(row[key]) for row in rows if row.get(key)]
        if values:
            text += ", " + words.format(np.mean(values))
    return text

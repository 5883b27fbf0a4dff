"""What is in a folder of images: every image decoded once, every unfit file named.

What is listed as usable can be trained on, by the same rules: images without content
and files that are no slices are left out, padding is air.
"""

import hashlib
import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from sisr_jax.data.checks import Findings, look_at, sum_up
from sisr_jax.data.contact_sheet import Example, shrink
from sisr_jax.data.files import identity, list_files
from sisr_jax.data.folder import Entry, list_entries
from sisr_jax.data.formats.dicom.padding import OUTSIDE_HU
from sisr_jax.data.formats.dicom.patient import read_person
from sisr_jax.data.formats.headers import Header
from sisr_jax.data.formats.readers import check_file, decode_images
from sisr_jax.data.leaks import check_leaks
from sisr_jax.data.splits import Assignment, assign, read_assignments
from sisr_jax.errors import InputError

_NUM_EXAMPLES = 24
# Slices of nothing but air are a thousandth as large in a file as in memory, and few. A
# folder of files like that takes minutes for every megabyte.
_RATIO, _MOST_UNPACKED = 500, 2**33
# Values are shown as stored; DICOM, NIfTI and float files are physical by themselves.
AS_STORED = (1.0, 0.0)


class UsableFile(NamedTuple):
    """A file whose images all decode.

    Attributes:
        path: The file.
        header: What it holds.
        values: Smallest and largest.
        assignment: Its split and patient; None when the CSV does not list it.
        anonymous: Whether it is a DICOM file whose PatientID names no person.
        padding: Pixels that a DICOM file or a CT scanner never measured.
        outside: Pixels of other formats below what any matter has in HU.
        seen: By the window, see `checks.Findings`.
        digests: Of each image; None of images without content.
    """

    path: Path
    header: Header
    values: tuple[float, float]
    assignment: Assignment | None
    anonymous: bool
    padding: int
    outside: int
    seen: Findings
    digests: Sequence[bytes | None]


class Inspection(NamedTuple):
    """What a folder holds.

    Attributes:
        files: That can be used, sorted by path.
        left_out: A line for each file that is left out although nothing is wrong.
        unreadable: A line for each folder that cannot be read.
        problems: A line for each file that cannot be used, starting with its path.
        leak: Why training would refuse the splits; empty if it would not.
        examples: Small images, evenly spread.
    """

    files: Sequence[UsableFile]
    left_out: Sequence[str]
    unreadable: Sequence[str]
    problems: Sequence[str]
    leak: str
    examples: Sequence[Example]


def inspect_folder(
    root: Path,
    *,
    splits_csv: Path | None,
    window: tuple[float, float] | None = None,
    png_rescale: tuple[float, float] = AS_STORED,
) -> Inspection:
    """Reads every image of a folder once.

    Args:
        root: The folder.
        splits_csv: As `config.data.splits_csv`; None splits by a hash of the patient.
        window: As `config.data.window`, by which images may have no content; None
            counts those of a single value.
        png_rescale: As `config.data.png_rescale`.

    Raises:
        InputError: If the folder is missing or the CSV is unfit, or lists none of its
            files, or small files unpack to more memory than images do. A file that
            cannot be used is reported instead.
    """
    if not os.path.isdir(root):
        raise InputError(f"{root}: no such folder")
    listed = None if splits_csv is None else _listed(splits_csv, root)
    listing = list_files(root)
    problems = dict(listing.problems)
    left_out = {p: f"{p}: another name of {f}" for p, f in listing.aliases.items()}
    headers: dict[Path, Header] = {}
    table = identity(splits_csv) if splits_csv else None
    for path in _progress(listing.files, "headers"):
        try:
            if table and identity(path) == table:
                continue
            header = check_file(path)
        except InputError as error:
            problems[path] = str(error)
            continue
        if header.left_out:
            left_out[path] = f"{path}: {header.left_out}"
        else:
            headers[path] = header
    _check_unpacked(headers)
    wanted = _spread(list_entries(headers))
    files: list[UsableFile] = []
    examples: list[Example] = []
    for path in _progress(headers, "images"):
        try:
            content = _decode(path, headers[path], wanted, root, window, png_rescale)
            if listed is None:
                assigned = assign(path, root=root)
                anonymous = _is_anonymous(path, headers[path])
            else:
                assigned, anonymous = listed.get(identity(path)), False
        except InputError as error:
            problems[path] = str(error)
            continue
        values, padding, outside, seen, digests, shown = content
        files.append(
            UsableFile(
                *(path, headers[path], values, assigned, anonymous),
                *(padding, outside, seen, digests),
            )
        )
        examples += shown
    return Inspection(
        files,
        [left_out[path] for path in sorted(left_out)],
        listing.unreadable,
        [problems[path] for path in sorted(problems)],
        _find_leak(files, root, stated=splits_csv is not None),
        examples,
    )


def _check_unpacked(headers: Mapping[Path, Header]) -> None:
    """Bounds the time that a folder takes, where each of its files may be in bounds."""
    unpacked = 0
    for path, header in headers.items():
        size = header.count * math.prod(header.shape) * 4
        try:
            packed = path.stat().st_size
        except OSError:  # it has gone since, which is told where it is decoded
            continue
        if size > _RATIO * packed:
            unpacked += size
        if unpacked > _MOST_UNPACKED:
            raise InputError(
                f"{path} and others before it unpack to more than {_RATIO} times their "
                f"size, expected at most {_MOST_UNPACKED} bytes of such images in all"
            )


def _find_leak(files: Sequence[UsableFile], root: Path, *, stated: bool) -> str:
    assignments = {f.path: f.assignment for f in files if f.assignment}
    try:
        check_leaks(assignments, root=root, name="splits", stated=stated)
    except InputError as error:
        return str(error)
    return ""


def _listed(splits_csv: Path, root: Path) -> dict[tuple[int, int | str], Assignment]:
    """Assignments of a CSV by the identity of their file, whatever its name there."""
    found = read_assignments(splits_csv, root=root)
    return {identity(path): assignment for path, assignment in found.items()}


def _is_anonymous(path: Path, header: Header) -> bool:
    if header.format != "DICOM" or "__" in path.name:
        return False
    return not read_person(path).written


def _progress(items: Collection[Path], what: str) -> Iterable[Path]:
    # Quiet unless the stream is a terminal.
    return tqdm(items, desc=what, unit=" files", disable=None, leave=False)


def _spread(entries: Sequence[Entry]) -> set[Entry]:
    count = min(len(entries), _NUM_EXAMPLES)
    return {entries[i * len(entries) // count] for i in range(count)}


class _Content(NamedTuple):
    values: tuple[float, float]
    padding: int
    outside: int
    seen: Findings
    digests: list[bytes | None]
    examples: list[Example]


def _decode(
    path: Path,
    header: Header,
    wanted: Collection[Entry],
    root: Path,
    window: tuple[float, float] | None,
    png_rescale: tuple[float, float],
) -> _Content:
    low, high, padding, outside = float("inf"), float("-inf"), 0, 0
    seen: list[Findings] = []
    digests: list[bytes | None] = []
    examples: list[Example] = []
    for index, (image, padded) in enumerate(
        decode_images(path, range(header.count), png_rescale)
    ):
        own = float(image.min()), float(image.max())
        low, high = min(low, own[0]), max(high, own[1])
        padding += padded
        outside += int(np.count_nonzero(image <= OUTSIDE_HU))
        found = look_at(image, window) if window else Findings(1, int(own[0] == own[1]))
        seen.append(found)
        digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
        digests.append(None if found.constant else digest)
        entry = Entry(path, index, header.count)
        if entry in wanted:
            group = f"{header.format} {header.dtype}"
            examples.append(Example(entry.name(root), group, shrink(image)))
    return _Content((low, high), padding, outside, sum_up(seen), digests, examples)

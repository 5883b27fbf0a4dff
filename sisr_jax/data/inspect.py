"""What is in a folder of images: a table, examples, and every file that is unfit.

Each image is decoded once, so what is listed as usable can be trained on.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from sisr_jax.data.contact_sheet import Example, shrink
from sisr_jax.data.folder import Entry, list_entries, list_files
from sisr_jax.data.formats.headers import Header
from sisr_jax.data.formats.readers import check_file, read_images
from sisr_jax.data.splits import Assignment, assign, read_assignments
from sisr_jax.data.transforms import size_text
from sisr_jax.errors import InputError

_NUM_EXAMPLES = 24
# Values are shown as stored; DICOM, NIfTI and float files are physical by themselves.
_AS_STORED = (1.0, 0.0)


class UsableFile(NamedTuple):
    """A file whose images all decode.

    Attributes:
        header: What it holds.
        values: Smallest and largest.
        assignment: Its split and patient; None when the CSV does not list it.
    """

    header: Header
    values: tuple[float, float]
    assignment: Assignment | None


class Inspection(NamedTuple):
    """What a folder holds.

    Attributes:
        files: That can be used, sorted by path.
        problems: A line for each file that cannot, starting with its path.
        examples: Small images, evenly spread.
    """

    files: Sequence[UsableFile]
    problems: Sequence[str]
    examples: Sequence[Example]


def inspect_folder(root: Path, *, splits_csv: Path | None) -> Inspection:
    """Reads every image of a folder once.

    Args:
        root: The folder.
        splits_csv: As `config.data.splits_csv`; None splits by a hash of the patient.

    Raises:
        InputError: If the folder is missing or the CSV is unfit. A file that cannot
            be used is reported instead.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    listed = None if splits_csv is None else read_assignments(splits_csv, root=root)
    paths = [
        f for f in list_files(root) if not splits_csv or not f.samefile(splits_csv)
    ]
    headers: dict[Path, Header] = {}
    problems: dict[Path, str] = {}
    for path in _progress(paths, "headers"):
        try:
            header = check_file(path)
            if not header.left_out:
                headers[path] = header
        except InputError as error:
            problems[path] = str(error)
    wanted = _spread(list_entries(headers))
    files: list[UsableFile] = []
    examples: list[Example] = []
    for path in _progress(headers, "images"):
        try:
            assignment = (
                listed.get(path) if listed is not None else assign(path, root=root)
            )
            file, shown = _decode(path, headers[path], assignment, wanted, root)
        except InputError as error:
            problems[path] = str(error)
            continue
        files.append(file)
        examples += shown
    return Inspection(files, [problems[path] for path in sorted(problems)], examples)


def describe(inspection: Inspection) -> str:
    """The formats, splits and problems of a folder, as text for a terminal."""
    blocks = []
    if inspection.files:
        blocks = [
            _align(_describe_formats(inspection.files)),
            _align(_describe_splits(inspection.files)),
        ]
        if any(file.header.stored for file in inspection.files):
            blocks[0] += "\n* as stored, before config.data.png_rescale"
    if inspection.problems:
        title = f"not usable: {len(inspection.problems)} files"
        blocks.append("\n".join([title, *inspection.problems]))
    return "\n\n".join(blocks or ["no file in this folder"])


def _progress(items: Collection[Path], what: str) -> Iterable[Path]:
    # Quiet unless the stream is a terminal.
    return tqdm(items, desc=what, unit=" files", disable=None, leave=False)


def _spread(entries: Sequence[Entry]) -> set[Entry]:
    count = min(len(entries), _NUM_EXAMPLES)
    return {entries[i * len(entries) // count] for i in range(count)}


def _decode(
    path: Path,
    header: Header,
    assignment: Assignment | None,
    wanted: Collection[Entry],
    root: Path,
) -> tuple[UsableFile, list[Example]]:
    lows, highs, examples = [], [], []
    images = read_images(path, range(header.count), _AS_STORED)
    for index, image in enumerate(images):
        lows.append(float(image.min()))
        highs.append(float(image.max()))
        entry = Entry(path, index, header.count)
        if entry in wanted:
            group = f"{header.format} {header.dtype}"
            examples.append(Example(entry.name(root), group, shrink(image)))
    values = min(lows), max(highs)
    return UsableFile(header, values, assignment), examples


def _describe_formats(files: Sequence[UsableFile]) -> list[list[str]]:
    groups: dict[tuple[str, str], list[UsableFile]] = {}
    for file in files:
        groups.setdefault((file.header.format, file.header.dtype), []).append(file)
    rows = [["format", "type", "files", "images", "values", "sizes"]]
    for (name, dtype), members in sorted(groups.items()):
        low = min(file.values[0] for file in members)
        high = max(file.values[1] for file in members)
        mark = " *" if members[0].header.stored else ""
        images = Counter[tuple[int, int]]()
        for file in members:
            images[file.header.shape] += file.header.count
        rows.append(
            [
                name,
                dtype,
                str(len(members)),
                str(images.total()),
                f"{low:g} to {high:g}{mark}",
                _describe_sizes(images),
            ]
        )
    return rows


def _describe_sizes(images: Counter[tuple[int, int]]) -> str:
    common = [f"{size_text(size)} ({count})" for size, count in images.most_common(3)]
    more = len(images) - len(common)
    return ", ".join(common) + (f" and {more} more" if more else "")


def _describe_splits(files: Sequence[UsableFile]) -> list[list[str]]:
    rows = [["split", "patients", "files", "images"]]
    for split in ("train", "validation", "test", None):
        members = [f for f in files if (f.assignment and f.assignment.split) == split]
        if split is None and not members:
            continue
        patients = {f.assignment.patient for f in members if f.assignment}
        unknown = not patients or "" in patients
        rows.append(
            [
                split or "not listed",
                "unknown" if unknown and members else str(len(patients)),
                str(len(members)),
                str(sum(f.header.count for f in members)),
            ]
        )
    return rows


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )

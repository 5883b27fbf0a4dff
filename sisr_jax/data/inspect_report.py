"""What an inspection found, as text for a terminal."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sisr_jax.data.checks import sum_up
from sisr_jax.data.formats.dicom.padding import OUTSIDE_HU
from sisr_jax.data.formats.headers import oblong_remark
from sisr_jax.data.inspect import AS_STORED, Inspection, UsableFile
from sisr_jax.data.transforms import size_text

# Of images that are there twice.
_MAX_PAIRS = 10


def describe(
    inspection: Inspection,
    *,
    root: Path,
    window: tuple[float, float] | None = None,
    png_rescale: tuple[float, float] = AS_STORED,
) -> str:
    """Formats, splits, remarks and problems of a folder.

    Args:
        inspection: See `inspect_folder`.
        root: The folder.
        window: By which it was inspected.
        png_rescale: By which it was inspected.
    """
    blocks = []
    files = inspection.files
    if files:
        blocks = [_align(_describe_formats(files)), _align(_describe_splits(files))]
        if any(file.header.stored for file in files):
            when = "before" if png_rescale == AS_STORED else "after"
            blocks[0] += f"\n* as stored, {when} config.data.png_rescale"
        remarks = list(_remarks(files, root, window))
        remarks += [inspection.leak] if inspection.leak else []
        blocks += ["\n".join(remarks)] if remarks else []
    for title, lines in (
        ("left out", inspection.left_out),
        ("folders that cannot be read", inspection.unreadable),
        ("not usable", inspection.problems),
    ):
        if lines:
            unit = "" if "folders" in title else " files"
            blocks.append("\n".join([f"{title}: {len(lines)}{unit}", *lines]))
    return "\n\n".join(blocks or ["no file in this folder"])


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


def _remarks(
    files: Sequence[UsableFile], root: Path, window: tuple[float, float] | None
) -> Iterator[str]:
    """A line for everything that the tables do not show."""
    padded = [f for f in files if f.padding]
    if padded:
        share = _share(padded, [f.padding for f in padded])
        yield (
            f"padding: {share:.1%} of the pixels of {len(padded)} files were never "
            "measured (outside of the scanner's circle); they become air"
        )
    below = [f for f in files if f.outside]
    if below:
        share = _share(below, [f.outside for f in below])
        yield (
            f"outside: {share:.1%} of the pixels of {len(below)} files are at "
            f"{OUTSIDE_HU:g} or below, which in HU is no matter but the outside of the "
            "scanner's circle; a window that begins at air makes them air"
        )
    seen = sum_up(f.seen for f in files)
    if window:
        yield f"window {window[0]:g} to {window[1]:g}: clips {seen.clipped:.0%}"
        yield from seen.remarks()
    elif seen.constant:
        yield (
            f"constant: {seen.constant} of {seen.images} images have no content and "
            "will be left out; --window counts those that are constant after it"
        )
    oblong = oblong_remark({f.path: f.header for f in files})
    if oblong:
        yield f"spacing: {oblong}"
    lossy = sum(f.header.format == "JPEG" for f in files)
    if lossy:
        yield f"JPEG: {lossy} files, whose losses become part of what is learned"
    yield from _remarks_on_patients(files, root)
    yield from _remarks_on_copies(files, root)


def _share(files: Sequence[UsableFile], counts: Sequence[int]) -> float:
    pixels = sum(math.prod(f.header.shape) * f.header.count for f in files)
    return sum(counts) / pixels


def _remarks_on_patients(files: Sequence[UsableFile], root: Path) -> Iterator[str]:
    anonymous = sum(f.anonymous for f in files)
    if anonymous:
        yield (
            f"patients: {anonymous} DICOM files have no PatientID, or a placeholder "
            "like ANONYMOUS; their folder or study stands for the patient"
        )
    patients = {f.assignment.patient for f in files if f.assignment}
    if len(patients) == 1 and "" not in patients:
        yield (
            "patients: one in all, so two splits are empty; config.data.split_by = "
            "'position' splits the images of a patient"
        )
    folders: dict[str, set[str]] = {}
    for file in files:
        top, *below = file.path.relative_to(root).parts
        named = file.header.format == "DICOM" and not file.anonymous
        if named and below and file.assignment and file.assignment.patient:
            folders.setdefault(file.assignment.patient, set()).add(top)
    most = max(map(len, folders.values()), default=0)
    if most > 2:
        yield (
            f"patients: one PatientID is found in {most} folders; if these are of "
            "several people, list them with --splits_csv"
        )


def _remarks_on_copies(files: Sequence[UsableFile], root: Path) -> Iterator[str]:
    """Images that are there twice, above all in two splits."""
    first: dict[bytes, tuple[UsableFile, str]] = {}
    pairs = []
    for file in files:
        for index, digest in enumerate(file.digests):
            name = file.path.relative_to(root).as_posix()
            name += f"#{index:04d}" if file.header.count > 1 else ""
            if digest is None:
                continue
            other, other_name = first.setdefault(digest, (file, name))
            if other_name != name:
                splits = [
                    f.assignment.split if f.assignment else "no split"
                    for f in (other, file)
                ]
                where = " and ".join(dict.fromkeys(splits))
                pairs.append((len(set(splits)) == 1, f"{other_name}, {name}: {where}"))
    if pairs:
        across = sum(not same for same, _ in pairs)
        yield (
            f"copies: {len(pairs)} images are there a second time, {across} of them in "
            "another split"
        )
        yield from (f"  {line}" for _, line in sorted(pairs)[:_MAX_PAIRS])


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )

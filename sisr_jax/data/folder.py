"""A folder of image files, checked before the first one is decoded.

PNG, TIFF, npz, DICOM and NIfTI; a file may hold many images (pages, slices).
"""

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging

from sisr_jax.config import Data
from sisr_jax.data.files import identity, list_files
from sisr_jax.data.formats.headers import Header, oblong_remark
from sisr_jax.data.formats.readers import (
    FORMATS,
    check_file,
    find_reader,
    has_image_name,
    read_images,
)
from sisr_jax.data.positions import cut_by_position
from sisr_jax.data.splits import Split, read_splits_csv, split_by_patient
from sisr_jax.data.transforms import check_fit, size_text
from sisr_jax.errors import InputError


class Entry(NamedTuple):
    """One image: a file, which of its images, and how many it holds."""

    path: Path
    index: int
    count: int

    def name(self, root: Path) -> str:
        """Path relative to `root`, with `#0012` for an image among several."""
        name = self.path.relative_to(root).as_posix()
        return name if self.count == 1 else f"{name}#{self.index:04d}"


@dataclasses.dataclass(frozen=True)
class FolderSource:
    """Images of one split of a folder, decoded when asked for.

    Attributes:
        root: The folder; names are relative to it.
        entries: The images, in order.
        rescale: Slope and intercept from stored PNG and TIFF values to physical ones.
    """

    root: Path
    entries: Sequence[Entry]
    rescale: tuple[float, float]

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> np.ndarray:
        entry = self.entries[index]
        [image] = read_images(entry.path, [entry.index], self.rescale)
        return image

    def name(self, index: int) -> str:
        """Path of an image relative to the folder, with forward slashes."""
        return self.entries[index].name(self.root)

    def files(self) -> list[Path]:
        """The file of each image."""
        return [entry.path for entry in self.entries]


def open_folder(config: Data, split: Split) -> FolderSource:
    """Opens one split of `config.path` and checks the header of each of its files.

    Without `config.splits_csv` the split follows from a hash of the patient
    (`sisr_jax.data.splits`), or from the position (`sisr_jax.data.positions`). Hidden
    files and files of other formats are ignored, linked folders are not entered, a file
    with several names counts once, and what is no slice (`Header.left_out`) is left
    out.

    Args:
        config: The data section; `source` is `folder`.
        split: Which images.

    Raises:
        InputError: If the folder is missing, holds no image or cannot be read to its
            end, the split is empty, a file is unfit (see
            `sisr_jax.data.formats.readers`), or sizes do not agree with `config.shape`
            and `config.fit`.
    """
    root = Path(config.path)
    if not os.path.isdir(root):
        raise InputError(f"config.data.path = {config.path!r}: no such folder")
    if config.split_by == "position":
        return _open_by_position(config, split, root)
    if config.splits_csv:
        splits = read_splits_csv(Path(config.splits_csv), root=root)
    else:
        splits = split_by_patient(_list_images(root), root=root)
    files: dict[tuple[int, int | str], Path] = {}
    for file, name in splits.items():
        if name == split:
            files.setdefault(identity(file), file)
    headers = _check_files(files.values())
    if not headers:
        raise InputError(_describe_empty(config, split, splits))
    _check_geometry(config, headers)
    return FolderSource(root, list_entries(headers), config.png_rescale)


def _open_by_position(config: Data, split: Split, root: Path) -> FolderSource:
    headers = _check_files(_list_images(root))

    def series_of(entry: Entry) -> object:
        header = headers[entry.path]
        if header.series:
            return _series(entry.path, header)
        return entry.path if entry.count > 1 else entry.path.parent

    def order(entry: Entry) -> tuple:
        """By number where names have one; a DICOM series stays as it is."""
        if headers[entry.path].series:
            return ()
        parts = re.split(r"([0-9]+)", entry.path.as_posix())
        numbered = [int(part) if at % 2 else part for at, part in enumerate(parts)]
        return (*numbered, entry.index)

    entries = sorted(list_entries(headers), key=order)
    entries = cut_by_position(entries, split, series_of=series_of)
    if entries:
        _check_geometry(config, headers)
    else:
        raise InputError(
            f"config.data.path = {config.path!r}: no image in split {split!r}, too few "
            "in each series, volume or folder to split them by position"
        )
    return FolderSource(root, entries, config.png_rescale)


def _check_files(files: Iterable[Path]) -> dict[Path, Header]:
    headers = {file: check_file(file) for file in files}
    return {file: header for file, header in headers.items() if not header.left_out}


def list_entries(headers: Mapping[Path, Header]) -> list[Entry]:
    """Every image of some files, in the order in which a person would page.

    Files are sorted by path, but the slices of a DICOM series in one folder stand
    together, where its first path is, sorted by position along their normal.

    Args:
        headers: Header of each file.
    """
    first: dict[object, Path] = {}
    for path in sorted(headers):
        first.setdefault(_series(path, headers[path]), path)

    def rank(path: Path) -> tuple[Path, float, Path]:
        header = headers[path]
        return first[_series(path, header)], header.position, path

    return [
        Entry(path, index, headers[path].count)
        for path in sorted(headers, key=rank)
        for index in range(headers[path].count)
    ]


def _series(path: Path, header: Header) -> object:
    return (path.parent, header.series) if header.series else path


def _list_images(root: Path) -> list[Path]:
    listing = list_files(root)
    problems = [line for path, line in listing.problems.items() if has_image_name(path)]
    for problem in [*listing.unreadable, *problems]:  # a patient might disappear
        raise InputError(problem)
    images = [file for file in listing.files if find_reader(file) is not None]
    if not images:
        raise InputError(
            f"config.data.path = {str(root)!r}: no {FORMATS} file in this folder"
        )
    return images


def _describe_empty(config: Data, split: Split, splits: Mapping[Path, Split]) -> str:
    counts = Counter(splits.values())
    listing = ", ".join(
        f"{name} {counts[name]}" for name in ("train", "validation", "test")
    )
    hint = (
        f"check the split column of {config.splits_csv}"
        if config.splits_csv
        else "too few patients to split by hash; give config.data.splits_csv or, to "
        "split the images of a patient, config.data.split_by = 'position'"
    )
    return (
        f"config.data.path = {config.path!r}: no image in split {split!r} ({listing}); "
        f"{hint}"
    )


def _check_geometry(config: Data, headers: Mapping[Path, Header]) -> None:
    wanted = config.shape
    remark = oblong_remark(headers)
    if remark:
        logging.warning("%s: %s", config.path, remark)
    first_path, first = next(iter(headers.items()))
    for path, header in headers.items():
        if config.fit == "exact" and header.shape != first.shape:
            raise InputError(
                f"mixed sizes: {first_path} is {size_text(first.shape)}, {path} is "
                f"{size_text(header.shape)}; expected {size_text(wanted)} "
                "(config.data.shape) or config.data.fit = 'crop'"
            )
        check_fit(header.shape, wanted, fit=config.fit, name=str(path))

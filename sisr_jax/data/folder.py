"""A folder of PNG, npz and DICOM images, checked before the first one is decoded."""

import dataclasses
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sisr_jax.config import Data
from sisr_jax.data.readers import Reader, find_reader
from sisr_jax.data.splits import Split, read_splits_csv, split_by_patient
from sisr_jax.data.transforms import check_fit, size_text
from sisr_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class FolderSource:
    """Images of one split of a folder, decoded when asked for.

    Attributes:
        root: The folder; names are relative to it.
        files: Sorted paths.
        rescale: Slope and intercept from stored PNG values to physical ones.
    """

    root: Path
    files: Sequence[Path]
    rescale: tuple[float, float]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> np.ndarray:
        path = self.files[index]
        return _reader(path).read(path, self.rescale)

    def name(self, index: int) -> str:
        """Path of an image relative to the folder, with forward slashes."""
        return self.files[index].relative_to(self.root).as_posix()


def open_folder(config: Data, split: Split) -> FolderSource:
    """Opens one split of `config.path` and checks the header of each of its files.

    Without `config.splits_csv` the split follows from a hash of the patient
    (`sisr_jax.data.splits`). Hidden files and files of other formats are ignored,
    linked folders are not entered.

    Args:
        config: The data section; `source` is `folder`.
        split: Which images.

    Raises:
        InputError: If the folder is missing or holds no image, the split is empty,
            a file is unfit (see `sisr_jax.data.readers`), or sizes do not agree
            with `config.shape` and `config.fit`.
    """
    root = Path(config.path)
    if not root.is_dir():
        raise InputError(f"config.data.path = {config.path!r}: no such folder")
    if config.splits_csv:
        splits = read_splits_csv(Path(config.splits_csv), root=root)
        if not splits:
            raise InputError(
                f"{config.splits_csv}: no row is a file in config.data.path = "
                f"{config.path!r}"
            )
    else:
        splits = split_by_patient(_list_images(root), root=root)
    files = [file for file, name in splits.items() if name == split]
    if not files:
        raise InputError(_describe_empty(config, split, splits))
    _check_sizes(config, files)
    return FolderSource(root, files, config.png_rescale)


def _list_images(root: Path) -> list[Path]:
    files = [
        Path(folder, name)
        for folder, _, names in os.walk(root)
        for name in names
        if not name.startswith(".")
    ]
    images = [f for f in sorted(files) if f.is_file() and find_reader(f) is not None]
    if not images:
        raise InputError(
            f"config.data.path = {str(root)!r}: no .png, .npz or DICOM file in this "
            "folder"
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
        else "too few patients to split by hash; give config.data.splits_csv"
    )
    return (
        f"config.data.path = {config.path!r}: no image in split {split!r} ({listing}); "
        f"{hint}"
    )


def _reader(path: Path) -> Reader:
    reader = find_reader(path)
    if reader is None:
        raise InputError(f"{path}: expected a .png, .npz or DICOM file")
    return reader


def _check_sizes(config: Data, files: Sequence[Path]) -> None:
    wanted = config.shape
    first = None
    for path in files:
        size = _reader(path).check(path)
        if first is None:
            first = (path, size)
        if config.fit == "exact" and size != first[1]:
            raise InputError(
                f"mixed sizes: {first[0]} is {size_text(first[1])}, {path} is "
                f"{size_text(size)}; expected {size_text(wanted)} (config.data.shape) "
                "or config.data.fit = 'crop'"
            )
        check_fit(size, wanted, fit=config.fit, name=str(path))

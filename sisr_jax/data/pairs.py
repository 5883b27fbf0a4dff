"""Images of one file or folder, each with what it should be in another."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sisr_jax.data.files import list_files
from sisr_jax.data.formats.headers import is_close, spacing_text
from sisr_jax.data.formats.readers import (
    check_file,
    find_reader,
    read_images,
    suffix_of,
)
from sisr_jax.data.transforms import size_text
from sisr_jax.errors import InputError


class Pair(NamedTuple):
    """Two files of as many images of the same size.

    Attributes:
        image: A file.
        reference: What its images should be.
        count: Images in each.
        spacing: Of pixels in mm, see `Header`, if one of the files says.
    """

    image: Path
    reference: Path
    count: int
    spacing: tuple[float, float] | None = None

    def read(
        self, rescale: tuple[float, float]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Goes through the images and references, both float32 `[height, width]`.

        Args:
            rescale: See `read_images`.

        Raises:
            InputError: As `read_images`.
        """
        yield from zip(
            *(
                read_images(path, range(self.count), rescale)
                for path in (self.image, self.reference)
            ),
            strict=True,
        )


def list_pairs(images: Path, references: Path, *, smallest: int = 1) -> list[Pair]:
    """Pairs two files, or the files of two folders that have the same path in each.

    Endings do not count, so that formats may differ; references without an image are
    left out.

    Args:
        images: A file or a folder.
        references: The same.
        smallest: Least height and width.

    Raises:
        InputError: If a file has no reference or cannot be read, two of a folder have
            one path, numbers or sizes of images differ or an image is smaller.
    """
    found, known = _by_name(images), _by_name(references)
    if images.is_dir() != references.is_dir():
        raise InputError(
            f"{images} and {references}: expected two files or two folders"
        )
    pairs = []
    for name, path in found.items():
        if name not in known:
            raise InputError(f"{path}: no file {name} in {references}")
        headers = check_file(path), check_file(known[name])
        what = [f"{each.count} of {size_text(each.shape)}" for each in headers]
        if what[0] != what[1]:
            raise InputError(
                f"{path} and {known[name]}: {what[0]} and {what[1]} pixels, expected "
                "as many of the same size"
            )
        if min(headers[0].shape) < smallest:
            raise InputError(
                f"{path}: {size_text(headers[0].shape)} pixels, expected at least "
                f"{smallest}x{smallest}"
            )
        spacings = [each.spacing for each in headers if each.spacing]
        if len(spacings) == 2 and not all(map(is_close, *spacings)):
            raise InputError(
                f"{path} and {known[name]}: pixels of {spacing_text(spacings[0])} and "
                f"{spacing_text(spacings[1])} mm, expected the same"
            )
        spacing = spacings[0] if spacings else None
        pairs.append(Pair(path, known[name], headers[0].count, spacing))
    return pairs


def _by_name(root: Path) -> dict[str, Path]:
    """Image files by their path below a folder, without the ending."""
    if not root.exists():
        raise InputError(f"{root}: no such file or folder")
    if not root.is_dir():
        return {"": root}
    listing, files = list_files(root), {}
    for line in (*listing.unreadable, *listing.problems.values()):
        raise InputError(line)
    for path in listing.files:
        if find_reader(path) is None:
            continue
        name = path.relative_to(root).as_posix().removesuffix(path.suffix)
        if suffix_of(path) == ".nii.gz":
            name = name[: -len(".nii")]
        if name in files:
            raise InputError(f"{path}: as {files[name]}, expected one file {name}")
        files[name] = path
    if not files:
        raise InputError(f"{root}: no image")
    return files

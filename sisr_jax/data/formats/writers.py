"""Image files in the convention of those that their images were computed from.

What a source says of its place, units, scale and type reaches what is written, so that
another program shows both alike.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sisr_jax.data.formats.dicom.deriving import check_derivable, write_derived
from sisr_jax.data.formats.headers import Derivation, Header, to_stored
from sisr_jax.data.formats.nifti import write_nifti
from sisr_jax.data.formats.png import write_png
from sisr_jax.data.formats.readers import suffix_of
from sisr_jax.data.formats.tiff import write_tiff
from sisr_jax.data.transforms import check_finite
from sisr_jax.errors import InputError
from sisr_jax.storage.failures import reporting
from sisr_jax.storage.files import sync

# Those that say nothing of where a pixel is.
PLAIN = (".png", ".tif", ".tiff", ".npy", ".npz")


class Source(NamedTuple):
    """What images were computed from.

    Attributes:
        path: Its file.
        header: Of the file.
        rescale: Slope and intercept of stored values, of it and of what is written.
    """

    path: Path
    header: Header
    rescale: tuple[float, float]


def check_writable(path: Path, source: Source) -> None:
    """Refuses what could not be written later.

    Args:
        path: File to write.
        source: What its images will be computed from.

    Raises:
        InputError: If the format is foreign, holds one image and there are more, or
            needs a source of its own kind (DICOM, NIfTI).
    """
    kind, found = suffix_of(path), source.header
    if kind not in _WRITERS:
        # A DICOM file often has no extension, or a piece of an identifier for one.
        if found.format == "DICOM" and suffix_of(source.path) == kind:
            kind = ".dcm"
        else:
            raise InputError(
                f"{path}: expected a name that ends with one of {', '.join(WRITTEN)}"
            )
    if kind in (".nii", ".nii.gz") and found.format != "NIfTI":
        raise InputError(f"{path}: NIfTI from {found.format}, which has no affine")
    if kind == ".dcm":
        if found.format != "DICOM":
            raise InputError(
                f"{path}: DICOM from {found.format}, which has no patient and position"
            )
        check_derivable(source.path)
    if found.count > 1 and kind in (".png", ".npy", ".npz"):
        raise InputError(f"{path}: {found.count} images, and {kind} holds one")


def write_images(
    path: Path, images: np.ndarray, source: Source, about: Derivation
) -> None:
    """Writes all images of a file, whole or not at all.

    Args:
        path: File to write; its folder exists.
        images: float32 `[count, height, width]`, physical values.
        source: What they were computed from.
        about: What was done; formats that cannot tell leave it out.

    Raises:
        InputError: As `check_writable`, or if a value does not fit the format or is not
            finite.
        StorageError: Naming the file, if the storage fails.
    """
    check_writable(path, source)
    check_finite(images, name=str(path))  # a whole number can be made of NaN
    write = _WRITERS.get(suffix_of(path), _write_dicom)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{suffix_of(path)}")
    with reporting(f"{path}: writing"):
        try:
            write(temporary, images, source, about)
            sync(temporary)
            temporary.replace(path)
        except InputError as error:
            raise InputError(str(error).replace(str(temporary), str(path))) from error
        finally:
            temporary.unlink(missing_ok=True)


def _stored(path: Path, images: np.ndarray, source: Source) -> np.ndarray:
    """Whole numbers of the type of the source, or of 16 bits."""
    kind = source.header.dtype if source.header.stored else "uint16"
    return to_stored(images, np.dtype(kind), source.rescale, path=path)


def _write_png(path: Path, images: np.ndarray, source: Source, _: Derivation) -> None:
    write_png(path, _stored(path, images, source)[0])


def _write_tiff(path: Path, images: np.ndarray, source: Source, _: Derivation) -> None:
    # Signed and real values are physical as they are stored.
    is_stored = source.header.stored
    write_tiff(path, _stored(path, images, source) if is_stored else images)


def _write_npy(path: Path, images: np.ndarray, *_: object) -> None:
    np.save(path, images[0], allow_pickle=False)


def _write_npz(path: Path, images: np.ndarray, *_: object) -> None:
    np.savez(path, image=images[0])


def _write_nifti(path: Path, images: np.ndarray, source: Source, _: Derivation) -> None:
    write_nifti(path, images, source.path)


def _write_dicom(
    path: Path, images: np.ndarray, source: Source, about: Derivation
) -> None:
    write_derived(path, images[0], source.path, about)


_Writer = Callable[[Path, np.ndarray, Source, Derivation], None]
_WRITERS: dict[str, _Writer] = {
    ".png": _write_png,
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
    ".npy": _write_npy,
    ".npz": _write_npz,
    ".nii": _write_nifti,
    ".nii.gz": _write_nifti,
    ".dcm": _write_dicom,
}
# Names of files that can be written end with one of these.
WRITTEN = tuple(_WRITERS)

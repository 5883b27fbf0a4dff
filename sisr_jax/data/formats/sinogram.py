"""NumPy archives of a measured sinogram and its geometry.

`sinogram` `[angles, detectors]` or `[images, angles, detectors]`, `angles` in radians,
and `size`, the side of the image in pixels. With `pixel_mm`, the width of a pixel,
values are attenuation line integrals; without it, they are integrals of an image in
[0, 1] of the window, in pixels. Detectors are a pixel apart.
"""

import contextlib
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sisr_jax.data.formats.headers import MAX_BYTES, MAX_IMAGES, check_bounds
from sisr_jax.data.formats.npz import METHODS, check_members
from sisr_jax.errors import InputError, one_line
from sisr_jax.tomography import ParallelBeam

_NAMES = ("sinogram", "angles", "size")
_MAX_ANGLE = 4 * math.pi
# As of a configuration: a geometry holds each angle as a number of Python.
_MAX_VIEWS = 2**16
# From pixels of a synchrotron's microscope to those of a container's scan.
_MIN_PIXEL_MM, _MAX_PIXEL_MM = 1e-6, 100.0
# Beyond any ray; their squares are summed in float32.
_MAX_VALUE = 1e9


class MeasuredSinogram(NamedTuple):
    """Views of some images, and how they were measured.

    Attributes:
        values: float32 `[images, angles, detectors]`.
        beam: The rays.
        pixel_mm: Width of a pixel; None if values are not attenuation.
    """

    values: np.ndarray
    beam: ParallelBeam
    pixel_mm: float | None


def is_sinogram(path: Path) -> bool:
    """Whether a file is an npz with an array called `sinogram`.

    Raises:
        InputError: If it is an archive that cannot be listed.
    """
    if path.suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
        return False
    return "sinogram.npy" in _members(path)


def read_sinogram(path: Path) -> MeasuredSinogram:
    """Reads a sinogram.

    Raises:
        InputError: If an array is missing, of another shape or type, out of bounds or
            not finite, the archive is damaged, or there are not as many detectors as
            the diagonal of the image has pixels.
    """
    arrays = _arrays(path)
    size, angles, values = (arrays[name] for name in ("size", "angles", "sinogram"))
    if size.shape != () or size.dtype.kind not in "iu" or size < 1:
        raise InputError(f"{path}: size = {size}: expected a whole number of pixels")
    check_bounds(path, (int(size), int(size)))
    beam = ParallelBeam(int(size), angles=_radians(path, angles))
    wanted = (beam.num_angles, beam.num_detectors)
    if values.ndim not in (2, 3) or values.shape[-2:] != wanted:
        raise InputError(
            f"{path}: sinogram of shape {values.shape}: expected [images,] "
            f"{wanted[0]} angles, {wanted[1]} detectors (the diagonal of {size} pixels)"
        )
    images = values.size // math.prod(wanted)
    if not 1 <= images <= MAX_IMAGES:
        raise InputError(f"{path}: {images} images, expected 1 to {MAX_IMAGES}")
    if values.dtype.kind not in "uif" or not _are_bounded(values):
        raise InputError(
            f"{path}: sinogram of type {values.dtype}: expected finite real numbers, "
            f"at most {_MAX_VALUE:g}"
        )
    values = values.reshape(-1, *wanted).astype(np.float32)
    return MeasuredSinogram(values, beam, _pixel_mm(path, arrays.get("pixel_mm")))


def _are_bounded(values: np.ndarray) -> bool:
    # Not their magnitude: the least integer of a type has none in it.
    low, high = float(values.min()), float(values.max())
    return -_MAX_VALUE <= low and high <= _MAX_VALUE


def _radians(path: Path, angles: np.ndarray) -> np.ndarray:
    is_list = angles.ndim == 1 and 1 <= len(angles) <= _MAX_VIEWS
    is_list = is_list and angles.dtype.kind in "uif"
    if not is_list or not np.isfinite(angles).all():
        raise InputError(
            f"{path}: angles of type {angles.dtype} and shape {angles.shape}: expected "
            f"finite radians, one for each of at most {_MAX_VIEWS} views"
        )
    if (largest := np.abs(angles).max()) > _MAX_ANGLE:
        raise InputError(
            f"{path}: angles up to {largest:g}: expected radians, up to two turns; "
            "these look like degrees"
        )
    return angles.astype(np.float64)


def _pixel_mm(path: Path, found: np.ndarray | None) -> float | None:
    if found is None:
        return None
    is_number = found.shape == () and found.dtype.kind in "uif"
    if not is_number or not _MIN_PIXEL_MM <= found <= _MAX_PIXEL_MM:
        raise InputError(
            f"{path}: pixel_mm = {one_line(found)}: expected a number from "
            f"{_MIN_PIXEL_MM:g} to {_MAX_PIXEL_MM:g}"
        )
    return float(found)


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Damaged bytes surface as almost any type."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path}: truncated or damaged npz ({one_line(error)})"
        ) from error


def _members(path: Path) -> dict[str, zipfile.ZipInfo]:
    check_members(path)
    with _damage_named(path), zipfile.ZipFile(path) as archive:
        return {each.filename: each for each in archive.infolist()}


def _arrays(path: Path) -> dict[str, np.ndarray]:
    members = _members(path)
    with _damage_named(path):
        for name in (*_NAMES, "pixel_mm"):
            member = members.get(f"{name}.npy")
            if member is None and name != "pixel_mm":
                raise InputError(f"{path}: no array {name!r}; expected {_NAMES}")
            if member is not None and (
                member.file_size > MAX_BYTES or member.compress_type not in METHODS
            ):
                raise InputError(
                    f"{path}: array {name!r} of {member.file_size} bytes by method "
                    f"{member.compress_type}, expected at most {MAX_BYTES}, by none or "
                    "deflate"
                )
        with np.load(path, allow_pickle=False) as stored:
            arrays = {
                name: stored[name] for name in (*_NAMES, "pixel_mm") if name in stored
            }
    for name, array in arrays.items():
        if math.prod(array.shape) * array.dtype.itemsize > MAX_BYTES:
            raise InputError(f"{path}: array {name!r} of {array.shape}: too large")
    return arrays

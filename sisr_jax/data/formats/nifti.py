"""NIfTI volumes, one axial slice after the other.

Display convention: slices run from the feet to the head; in each, the first row is
anterior and the first column is the patient's right, as radiologists look at them.
The file's axes are permuted and flipped to the nearest such ones, its values are
never interpolated: a volume that was acquired obliquely stays oblique.
"""

import gzip
import logging
import math
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sisr_jax.data.formats.headers import (
    Decoded,
    Header,
    check_bounds,
    to_physical,
    to_stored,
)
from sisr_jax.errors import InputError

# A thousand slices of 512 x 512 in float32, or two thousand in int16.
_MAX_VOLUME_BYTES = 2**30
# Bound of deflate: the most a compressed byte can become.
_MAX_GZIP_RATIO = 1032
_MAX_HEADER_BYTES = 540
# Units of the affine in mm, by the code in the header; 0 says nothing.
_MM = {1: 1e3, 2: 1.0, 3: 1e-3}
# nibabel reports what it repairs, for each read anew; its errors are exceptions.
_SILENT = logging.Logger("nifti", level=logging.CRITICAL + 1)


class _Volume(NamedTuple):
    """A volume and how its axes lie.

    Attributes:
        data: nibabel's proxy of the values; slicing it reads a part of the file.
        axes: The file's axes that are nearest to left-right, back-front, up.
        reverse: Whether each of those runs against the display convention.
        header: As in `check_nifti`.
    """

    data: Any
    axes: tuple[int, int, int]
    reverse: tuple[bool, bool, bool]
    header: Header


def check_nifti(path: Path) -> Header:
    """Header of a 3-D volume of real numbers; its values are not read.

    Raises:
        InputError: If nibabel is not installed, the file is no single NIfTI volume
            of real numbers, compressed against its name, its affine is unusable, or
            it is too large or cut off.
        Exception: Of the decoder, if the header is damaged.
    """
    return _open(path, keep_open=False).header


def read_nifti(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[Decoded]:
    """Axial slices in the display convention, with `scl_slope` applied.

    A slice of a `.nii` is read alone. To reach one in a `.nii.gz`, everything before
    it is decompressed, once for ascending indices of a volume stored upwards;
    uncompressed files serve random access better.

    Raises:
        InputError: As `check_nifti`.
        Exception: Of the decoder, if the file is damaged.
    """
    volume = _open(path, keep_open=len(indices) > 1)
    for index in indices:
        plane = _slice(volume, index)
        yield to_physical(plane, volume.header, path=path, rescale=rescale)


def write_nifti(path: Path, slices: np.ndarray, like: Path) -> None:
    """Writes a volume in the place, units and type of another.

    Args:
        path: File to write; compressed if its name ends with `.gz`.
        slices: Physical values in the display convention, `[slices, rows, columns]`.
        like: The volume that they were computed from, all of it.

    Raises:
        InputError: As `check_nifti` of `like`, or if a value does not fit its type.
    """
    volume, header = _open(like, keep_open=False), _read_header(like)
    x_axis, y_axis, z_axis = volume.axes
    reverse_x, reverse_y, reverse_z = volume.reverse
    upright = slices[
        :: -1 if reverse_z else 1, :: -1 if reverse_y else 1, :: -1 if reverse_x else 1
    ]
    physical = np.moveaxis(upright, (0, 1, 2), (z_axis, y_axis, x_axis))
    dtype = header.get_data_dtype().newbyteorder("=")
    if dtype.kind in "iu":
        slope, intercept = header.get_slope_inter()
        scale = (1.0 if slope is None else slope), (intercept or 0.0)
        stored = to_stored(physical, dtype, scale, path=path)
    else:
        header.set_slope_inter(1, 0)
        stored = physical.astype(dtype)
    # Extensions of the other, which may hold anything, are not carried over.
    header.set_data_offset(header.single_vox_offset)
    header["cal_min"] = header["cal_max"] = 0
    opened = gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb")
    with opened as file:
        file.write(header.binaryblock.ljust(header.single_vox_offset, b"\0"))
        order = header.endianness
        file.write(stored.astype(stored.dtype.newbyteorder(order)).tobytes(order="F"))


def _slice(volume: _Volume, index: int) -> np.ndarray:
    x_axis, y_axis, z_axis = volume.axes
    reverse_x, reverse_y, reverse_z = volume.reverse
    where: list[Any] = [slice(None)] * 3 + [0] * (len(volume.data.shape) - 3)
    where[z_axis] = volume.header.count - 1 - index if reverse_z else index
    plane = np.asarray(volume.data[tuple(where)])
    if y_axis > x_axis:
        plane = plane.T
    return plane[:: -1 if reverse_y else 1, :: -1 if reverse_x else 1]


def _open(path: Path, *, keep_open: bool) -> _Volume:
    try:
        from nibabel.arrayproxy import ArrayProxy
        from nibabel.orientations import io_orientation
    except ModuleNotFoundError as error:
        raise InputError(
            f"{path}: reading NIfTI needs nibabel; run: pip install nibabel"
        ) from error
    if _is_gzip(path) and not path.name.lower().endswith(".gz"):
        raise InputError(  # names decide how it would be opened further below
            f"{path}: compressed with gzip, expected the name {path.name}.gz"
        )
    header = _read_header(path)
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    if dtype.kind not in "uif":
        raise InputError(f"{path}: NIfTI of type {dtype}, expected real numbers")
    if len(shape) < 3 or min(shape) < 1 or max(shape[3:], default=1) > 1:
        raise InputError(f"{path}: shape {shape}, expected one volume (3 dimensions)")
    _check_size(path, shape, dtype, header.get_data_offset())
    affine = header.get_best_affine()
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise InputError(
            f"{path}: the affine is singular or not finite, so the orientation is "
            "unknown; repair its sform or qform"
        )
    orientation = io_orientation(affine)  # for each axis: world axis, sign
    world = [int(axis) for axis in orientation[:, 0]]
    axes = world.index(0), world.index(1), world.index(2)
    signs = [orientation[axis, 1] for axis in axes]
    # World axes point to the right of the patient, to the front and up; columns of
    # the display run to the left, rows to the back, slices up.
    reverse = signs[0] > 0, signs[1] > 0, signs[2] < 0
    size, count = (shape[axes[1]], shape[axes[0]]), shape[axes[2]]
    check_bounds(path, size, count)
    data = ArrayProxy(path, header, mmap=False, keep_file_open=keep_open)
    unit = _MM.get(int(header["xyzt_units"]) & 7, math.nan)
    lengths = unit * np.linalg.norm(affine[:3, :3], axis=0)
    spacing = float(lengths[axes[1]]), float(lengths[axes[0]])
    if not all(map(math.isfinite, spacing)):
        spacing = None
    about = Header("NIfTI", size, dtype.name, count=count, spacing=spacing)
    return _Volume(data, axes, reverse, about)


def _read_header(path: Path) -> Any:
    """The header alone: extensions behind it can ask for any amount of memory."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    opened = gzip.open(path) if _is_gzip(path) else path.open("rb")
    with opened as file:
        start = file.read(_MAX_HEADER_BYTES)
    sizes = {start[:4], start[3::-1]}  # of either byte order
    for size, kind in ((348, Nifti1Header), (540, Nifti2Header)):
        if len(start) >= size and struct.pack("<i", size) in sizes:
            header = kind(start[:size], check=False)
            if bytes(header["magic"])[:2] == b"n+":  # not a pair of two files
                header.check_fix(logger=_SILENT)
                # 0, of files whose values are elsewhere, passes that check.
                if header.get_data_offset() < size:
                    raise InputError(
                        f"{path}: values from byte {header.get_data_offset()} on, "
                        f"expected behind the {size} bytes of the header"
                    )
                return header
    raise InputError(f"{path}: not a NIfTI file, or cut off in its header")


def _check_size(
    path: Path, shape: tuple[int, ...], dtype: np.dtype, offset: int
) -> None:
    needed = dtype.itemsize
    for length in shape:
        needed *= int(length)
    if needed > _MAX_VOLUME_BYTES:
        raise InputError(
            f"{path}: volume of {shape} {dtype}, expected at most {_MAX_VOLUME_BYTES} "
            "bytes"
        )
    size = path.stat().st_size
    holds = size * _MAX_GZIP_RATIO if _is_gzip(path) else size
    if holds < needed + offset:
        raise InputError(
            f"{path}: truncated NIfTI, {size} bytes for a volume of {shape} {dtype}"
        )


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"

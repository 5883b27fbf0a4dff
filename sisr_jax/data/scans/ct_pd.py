"""Scans in DICOM-CT-PD: a folder with one file a view, see `formats.dicom.projection`.

The plane is seen from the table: `x` to the right, `y` upwards, as the manual of the
format has it. For a patient who lies head first on the back that is how slices are
shown; who lies feet first is mirrored. Heights are those of the files.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sisr_jax.data.files import list_files
from sisr_jax.data.formats.dicom.projection import (
    ProjectionHeader,
    check_projection,
    read_projection,
)
from sisr_jax.errors import InputError
from sisr_jax.tomography.cone_views import ConeViews
from sisr_jax.tomography.fan_fbp import TURN
from sisr_jax.tomography.fan_geometry import FanScan
from sisr_jax.tomography.single_slice import rebin_slice, views_of_slice

# What is the same in all views, and the pixels of the files as well.
_CONSTANT = (
    *("rows", "columns", "row_pitch", "column_pitch", "radius", "distance"),
    *("central_column", "central_row", "water", "position"),
)


class CtPdScan(NamedTuple):
    """A scan whose headers have been read.

    Attributes:
        folder: That holds it.
        paths: Of the views, in their order.
        views: Where the rays are. Of General Electric's scans in the public library it
            is said that their central column is counted from 0 at the other end;
            `views._replace(central_column=...)` takes another one.
        water_per_mm: Attenuation of water, 0 HU; None if the files do not say.
        patient_position: Such as `HFS`; empty if the files do not say.
    """

    folder: Path
    paths: tuple[Path, ...]
    views: ConeViews
    water_per_mm: float | None
    patient_position: str


def read_ct_pd(folder: Path) -> CtPdScan:
    """Reads the headers of a scan; its pixels are left in the files.

    Args:
        folder: Every file in it is a view.

    Raises:
        InputError: If the folder or a file cannot be read, there is no file, a file is
            no view (see `check_projection`), two have the same number, or views differ
            in what is constant in a scan.
    """
    listing = list_files(folder)
    for problem in (*listing.unreadable, *listing.problems.values()):
        raise InputError(problem)
    if not listing.files:
        raise InputError(f"{folder}: no files, expected the views of a scan")
    found = [(check_projection(path), path) for path in listing.files]
    found.sort(key=lambda each: each[0].number)
    first, first_path = found[0]
    for (last, last_path), (header, path) in itertools.pairwise(found):
        if header.number == last.number:
            raise InputError(
                f"{path}: InstanceNumber {header.number} as {last_path}: expected the "
                "views of one scan"
            )
        for name in _CONSTANT:
            one, other = getattr(first, name), getattr(header, name)
            if not _agree(one, other):
                raise InputError(
                    f"{path}: {name} = {other}, in {first_path} {one}: expected the "
                    "views of one scan"
                )
    headers = [header for header, _ in found]
    paths = tuple(path for _, path in found)
    return CtPdScan(folder, paths, _views_of(headers), first.water, first.position)


def read_views(scan: CtPdScan, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Line integrals of some views: float32 `[views, rows, columns]`.

    Rows and columns are in the order of `ConeViews`.

    Args:
        scan: The scan.
        indices: Which views; a turn of a clinical scanner is half a gigabyte.

    Raises:
        InputError: If a file cannot be read.
    """
    return np.stack(list(_read(scan, indices)))


def read_slice(
    scan: CtPdScan, *, height_mm: float, size: int, pixel_mm: float, arc: float = TURN
) -> FanScan:
    """One slice of a scan as a fan beam, which `FanBeamCT(fan).fbp` reconstructs.

    Only the files of its arc are read, one at a time.

    Args:
        scan: The scan.
        height_mm: Of the slice, as the files count.
        size: Height and width of the image in pixels.
        pixel_mm: Side of a pixel.
        arc: Of the views, in radians, see `views_of_slice`.

    Raises:
        InputError: If a file cannot be read, or the slice cannot be made of the scan:
            see `views_of_slice` and `rebin_slice`.
    """
    try:
        chosen = views_of_slice(scan.views, height_mm=height_mm, arc=arc)
        return rebin_slice(
            _read(scan, chosen),
            scan.views.at(chosen),
            height_mm=height_mm,
            size=size,
            pixel_mm=pixel_mm,
        )
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{scan.folder}: {error}") from error


def _read(scan: CtPdScan, indices: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
    expected = scan.views.num_rows, scan.views.num_columns
    for index in indices:
        path = scan.paths[index]
        values = read_projection(path)
        if values.shape != expected:
            raise InputError(f"{path}: changed since the headers of the scan were read")
        # Row 1 is the farthest, heights grow with the rows of `ConeViews`.
        yield values[::-1]


def _agree(one: object, other: object) -> bool:
    """Whether two views say the same, but for what was rounded."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-5)
    return one == other


def _views_of(headers: list[ProjectionHeader]) -> ConeViews:
    first = headers[0]
    angle_shifts, height_shifts, radius_shifts = np.array(
        [header.shifts for header in headers]
    ).T
    return ConeViews(
        angles=np.unwrap([header.angle for header in headers]),
        heights_mm=np.array([header.height for header in headers]),
        angle_shifts=angle_shifts,
        height_shifts_mm=height_shifts,
        radius_shifts_mm=radius_shifts,
        source_to_origin_mm=first.radius,
        source_to_detector_mm=first.distance,
        num_rows=first.rows,
        num_columns=first.columns,
        row_pitch_mm=first.row_pitch,
        column_pitch_mm=first.column_pitch,
        central_row=first.rows - first.central_row,
        central_column=first.central_column - 1,
    )

"""What is to be done for one file, checked before anything is written."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sisr_jax.data.formats.headers import Header
from sisr_jax.data.formats.readers import check_file, read_images, suffix_of
from sisr_jax.data.formats.sinogram import is_sinogram, read_sinogram
from sisr_jax.data.formats.writers import PLAIN, Source, check_writable
from sisr_jax.enhancement.places import target_of
from sisr_jax.enhancement.request import Request
from sisr_jax.errors import InputError
from sisr_jax.inference import Restorer
from sisr_jax.inference.slices import (
    Outcome,
    restore_back_projections,
    restore_columns,
    restore_images,
    restore_sinogram,
    simulate,
)
from sisr_jax.inference.trained_for import (
    check_device,
    check_sinogram,
    config_of,
    unusual_spacing,
    unusual_views,
)

# Images of a file are restored in memory: 4096 slices of 512 x 512.
_MAX_PIXELS = 2**30
# How images become measurements, by what one is a list of.
_MEASURED = {
    "views": "--simulate=K to measure it, --views=N if it is a back-projection, or an "
    "npz file with a sinogram",
    "columns": "--simulate=K to measure it, or --columns=K if it is every K-th column",
}


class Job(NamedTuple):
    """A file to be restored, and the one to be written.

    Attributes:
        source: The file.
        target: The other.
        name: What tables call it.
        remark: In which way the file is not what the weights were trained for; empty if
            nothing tells so.
        restore: Does it.
    """

    source: Source
    target: Path
    name: str
    remark: str
    restore: Callable[[], Outcome]


def job_of(path: Path, request: Request, restorer: Restorer) -> Job:
    """The job for a file.

    Raises:
        InputError: If it cannot be restored, or the result could not be written.
    """
    target = target_of(path, request)
    name = str(target.relative_to(request.output)) if request.is_folder else target.name
    of = _of_sinogram if is_sinogram(path) else _of_images
    source, remark, restore = of(path, target, request, restorer)
    return Job(source, target, name, remark, restore)


_Work = tuple[Source, str, Callable[[], Outcome]]


def _of_sinogram(
    path: Path, target: Path, request: Request, restorer: Restorer
) -> _Work:
    with _naming(path):
        check_sinogram(restorer)
    # It is read again: of many files it would not fit into memory.
    measured = read_sinogram(path)
    size, count, pixel_mm = measured.beam.size, len(measured.values), measured.pixel_mm
    spacing = None if pixel_mm is None else (pixel_mm, pixel_mm)
    header = Header("sinogram", (size, size), "float32", count=count, spacing=spacing)
    source = Source(path, header, request.png_rescale)
    check_writable(target, source)
    remark = unusual_spacing(restorer, spacing) or unusual_views(measured.beam)
    return source, remark, lambda: restore_sinogram(restorer, read_sinogram(path))


def _of_images(path: Path, target: Path, request: Request, restorer: Restorer) -> _Work:
    config = config_of(restorer)
    measures = config.degradation.measures
    if not request.is_measured and request.report:
        raise InputError(
            f"{path}: --report is about a measurement, expected {_MEASURED[measures]}"
        )
    if not request.is_measured and "measurement" in config.generator.sees:
        raise InputError(
            f"{path}: an image, and these weights restore what was measured: expected "
            f"{_MEASURED[measures]}"
        )
    header = check_file(path)
    if header.left_out:
        raise InputError(f"{path}: {header.left_out}, expected a slice")
    with _naming(path):
        check_device(restorer, header.taken_by)
    pixels = header.count * header.shape[0] * header.shape[1]
    if pixels > _MAX_PIXELS:
        raise InputError(f"{path}: {pixels} pixels, expected at most {_MAX_PIXELS}")
    source = Source(path, header, request.png_rescale)
    check_writable(target, source)
    is_degraded = not request.is_measured and config.degradation.width_factor > 1
    if (is_degraded or request.columns) and suffix_of(target) not in PLAIN:
        raise InputError(
            f"{target}: more columns than in {path}: expected a name that ends with "
            f"{', '.join(PLAIN)}"
        )

    def restore() -> Outcome:
        found = read_images(path, range(header.count), request.png_rescale)
        images = np.stack(list(found))
        if request.views is not None:
            num_angles, factor = request.views
            return restore_back_projections(
                restorer, images, num_angles=num_angles, factor=factor
            )
        if request.columns is not None:
            factor, offset = request.columns
            return restore_columns(restorer, images, factor=factor, offset=offset)
        if request.simulate is None:
            return restore_images(restorer, images)
        return simulate(restorer, images, factor=request.simulate)

    return source, unusual_spacing(restorer, header.spacing), restore


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Puts the file before what is wrong with it."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error

"""Fan-beam scans of the Helsinki Tomography Challenge 2022.

Meaney, Silva de Moura & Siltanen, 10.5281/zenodo.6984868: acrylic discs with holes in a
cone-beam scanner, its central row published as MATLAB files. `CtDataFull` holds
`sinogram`, `-log` of the share of photons that pass, and `parameters` in degrees and
millimetres.

Their detectors count from the other end than those of `FanBeam`, and their angle 0 is
its half turn: found by comparing reconstructions with the organisers' own.
"""

from pathlib import Path

import numpy as np

from sisr_jax.data.formats.matlab import read_mat_file
from sisr_jax.errors import InputError
from sisr_jax.tomography import FanBeam, FanScan

_SINOGRAM = "CtDataFull.sinogram"
_ANGLES = "CtDataFull.parameters.angles"
_LENGTHS = {
    "source_to_origin_mm": "CtDataFull.parameters.distanceSourceOrigin",
    "source_to_detector_mm": "CtDataFull.parameters.distanceSourceDetector",
    "detector_pitch_mm": "CtDataFull.parameters.pixelSizePost",
}
# Two turns, and what no ray loses.
_MAX_DEGREES, _MAX_VALUE = 720.0, 1e3


def read_helsinki(path: Path, *, size: int) -> FanScan:
    """Reads a full scan, `htc2022_*_full.mat`.

    Args:
        path: The file.
        size: Height and width of the image in pixels. A pixel is as wide as a detector
            seen from the rotation centre; the organisers' images have 512.

    Returns:
        All views. Where both ends of the turn were measured, the first view is there
        twice.

    Raises:
        InputError: If the file is damaged or no MATLAB 5 file (7.3 is not supported),
            or a variable is missing, of another shape or type, or out of bounds.
        ValueError: If the size is below 1.
    """
    names = (_SINOGRAM, _ANGLES, *_LENGTHS.values())
    arrays = read_mat_file(path, names)
    for name, array in arrays.items():
        if array.dtype.kind not in "uif" or not np.isfinite(array).all():
            raise InputError(
                f"{path}: {name} of type {array.dtype}: expected finite real numbers"
            )
    degrees, values = arrays[_ANGLES].ravel(), arrays[_SINOGRAM]
    if values.ndim != 2 or len(values) != len(degrees):
        raise InputError(
            f"{path}: {_SINOGRAM} of shape {values.shape}: expected as many views as "
            f"angles, {len(degrees)}, and detectors"
        )
    for name, limit in (_ANGLES, _MAX_DEGREES), (_SINOGRAM, _MAX_VALUE):
        if (largest := np.abs(arrays[name].astype(np.float64)).max()) > limit:
            raise InputError(
                f"{path}: {name} up to {largest:g}: expected at most {limit:g}"
            )
    lengths = {key: _length(path, name, arrays) for key, name in _LENGTHS.items()}
    magnification = lengths["source_to_detector_mm"] / lengths["source_to_origin_mm"]
    try:
        fan = FanBeam(
            size=size,
            pixel_mm=lengths["detector_pitch_mm"] / magnification,
            num_detectors=values.shape[1],
            angles=np.deg2rad(degrees.astype(np.float64)) + np.pi,
            source_to_origin_mm=lengths["source_to_origin_mm"],
            source_to_detector_mm=lengths["source_to_detector_mm"],
            detector_pitch_mm=lengths["detector_pitch_mm"],
        )
    except ValueError as error:
        if size < 1:
            raise
        raise InputError(f"{path}: {error}") from error
    return FanScan(np.ascontiguousarray(values[:, ::-1], np.float32), fan)


def _length(path: Path, name: str, arrays: dict[str, np.ndarray]) -> float:
    found = arrays[name]
    if found.size != 1 or not 0 < found.item() <= 1e6:
        raise InputError(
            f"{path}: {name} = {found.ravel()[:3]} of shape {found.shape}: expected "
            "one length above 0, in mm"
        )
    return float(found.item())

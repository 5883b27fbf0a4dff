"""Data exchange: HDF5 files of synchrotron tomography.

De Carlo et al., "Scientific data exchange: a schema for HDF5-based storage of raw and
analyzed data", J. Synchrotron Radiation 21, 2014. `exchange/data` are counts `[views,
rows, columns]`, `data_white` and `data_dark` those without object and without beam,
`theta` the angles in degrees.

The threat is a file that is damaged or of another kind: types and sizes are looked at
before values are read. That HDF5's own library withstands a forged file is not
promised; it reads untrusted ones at your risk.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sisr_jax.data.formats.headers import MAX_BYTES
from sisr_jax.errors import InputError, one_line

_FRAMES = ("data", "data_white", "data_dark")
_NAMES = (*_FRAMES, "theta")
_MAX_DEGREES, _MAX_RADIANS = 720.0, 2 * math.pi


class Projections(NamedTuple):
    """Counts of a detector, before any correction.

    Attributes:
        counts: With the object, float32 `[views, rows, columns]`.
        flat: With the beam alone, float32 `[frames, rows, columns]`.
        dark: Without beam, float32 `[frames, rows, columns]`.
        angles: Of the views in radians, float64 `[views]`.
    """

    counts: np.ndarray
    flat: np.ndarray
    dark: np.ndarray
    angles: np.ndarray


def read_exchange(path: Path, *, rows: slice = slice(None)) -> Projections:
    """Reads some rows of a scan; the file may be larger than the memory.

    Args:
        path: The file.
        rows: Rows of the detector: each is the sinogram of one slice.

    Raises:
        InputError: If h5py is not installed, the file is damaged or of another kind, an
            array is missing, of another shape or type, too large, not finite or stored
            outside of the file, or the angles are not in degrees, or nothing says that
            they are and they look like radians.
    """
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise InputError(
            f"{path}: reading HDF5 needs h5py; run: pip install h5py"
        ) from error
    try:
        with h5py.File(path, "r") as file:
            found = {name: _dataset(h5py, file, name, path) for name in _NAMES}
            _check_shapes(path, {name: each.shape for name, each in found.items()})
            unit = _unit(found["theta"])
            where = {name: (slice(None), rows) for name in _FRAMES} | {"theta": ()}
            arrays = {name: _values(path, found[name], where[name]) for name in _NAMES}
    except InputError:
        raise
    except Exception as error:  # damaged bytes surface as almost any type
        raise InputError(
            f"{path}: no HDF5 file, or a damaged one ({one_line(error)})"
        ) from error
    degrees = arrays["theta"].astype(np.float64)
    largest = np.abs(degrees).max()
    if unit not in (None, "degrees", "deg") or largest > _MAX_DEGREES:
        raise InputError(
            f"{path}: exchange/theta in {one_line(unit or 'no unit')} up to "
            f"{largest:g}: expected degrees, at most {_MAX_DEGREES:g}"
        )
    if unit is None and len(degrees) > 1 and 0 < largest <= _MAX_RADIANS:
        raise InputError(
            f"{path}: exchange/theta without units up to {largest:g}, which may be "
            "radians: expected degrees, or an attribute 'units' = 'degrees'"
        )
    frames = [arrays[name].astype(np.float32) for name in _FRAMES]
    return Projections(*frames, angles=np.deg2rad(degrees))


def _dataset(h5py: Any, file: Any, name: str, path: Path) -> Any:
    """An array of numbers that lies within the file itself."""
    place, name = file, f"exchange/{name}"
    for part in name.split("/"):
        # Before it is followed, which would open what it leads to.
        link = place.get(part, getlink=True) if isinstance(place, h5py.Group) else None
        if link is None:
            raise InputError(
                f"{path}: no array {name!r}; expected {_NAMES} in 'exchange'"
            )
        if not isinstance(link, h5py.HardLink):
            raise _elsewhere(path, name)
        place = place[part]
    if not isinstance(place, h5py.Dataset) or place.dtype.kind not in "uif":
        raise InputError(f"{path}: {name} is no array of real numbers")
    if place.external or place.is_virtual:
        raise _elsewhere(path, name)
    return place


def _unit(theta: Any) -> str | None:
    """What the file says of its angles; None if it says nothing."""
    unit = theta.attrs.get("units")
    if isinstance(unit, np.ndarray) and unit.size == 1:
        unit = unit.item()
    if isinstance(unit, bytes):
        return unit.decode("latin-1")
    return None if unit is None else str(unit)


def _elsewhere(path: Path, name: str) -> InputError:
    return InputError(f"{path}: {name} lies in another file, which is not opened")


def _check_shapes(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    data, theta = shapes["data"], shapes["theta"]
    if len(data) != 3 or 0 in data or theta != data[:1]:
        raise InputError(
            f"{path}: exchange/data of shape {data} with angles of shape {theta}: "
            "expected [views, rows, columns] and an angle for each view"
        )
    for name in _FRAMES[1:]:
        if (
            len(shapes[name]) != 3
            or not shapes[name][0]
            or shapes[name][1:] != data[1:]
        ):
            raise InputError(
                f"{path}: exchange/{name} of shape {shapes[name]}: expected frames of "
                f"{data[1:]} as those of the data"
            )


def _values(path: Path, dataset: Any, where: tuple[slice, ...]) -> np.ndarray:
    shape = list(dataset.shape)
    for axis, part in enumerate(where):
        shape[axis] = len(range(*part.indices(shape[axis])))
    if not 0 < (size := math.prod(shape) * dataset.dtype.itemsize) <= MAX_BYTES:
        raise InputError(
            f"{path}: {dataset.name} has {size} bytes in the rows asked for, expected "
            f"1 to {MAX_BYTES}"
        )
    values = np.asarray(dataset[where])
    if not np.isfinite(values).all():
        raise InputError(f"{path}: {dataset.name} holds values that are not finite")
    return values

"""Slices of a folder, their measurement, and files of what is computed of them."""

import functools
import os
import pathlib
import zlib

import jax
import numpy as np

from sisr_jax.data.formats.readers import read_images
from sisr_jax.data.transforms import to_unit_range
from sisr_jax.degradation.dose import LowDose
from sisr_jax.tomography import ParallelBeamCT

Window = tuple[float, float]
PNG_RESCALE = (1.0, -32768.0)


def read_slice(file: pathlib.Path, window: Window) -> np.ndarray:
    """One slice `[size, size]`, float32 in [0, 1] of the window."""
    return to_unit_range(next(iter(read_images(file, [0], PNG_RESCALE))), window)


def key_of(file: pathlib.Path) -> jax.Array:
    """Randomness of a slice: the same noise wherever it is measured so."""
    return jax.random.key(zlib.crc32(file.stem.encode()))


@functools.partial(jax.jit, static_argnames="dose")
def measure(
    operator: ParallelBeamCT, target: jax.Array, keys: jax.Array, dose: LowDose | None
) -> jax.Array:
    """The measurement of slices `[batch, size, size]`."""
    measured = operator(target)
    return measured if dose is None else dose.spoil(keys, measured, operator)


def save(path: pathlib.Path, arrays: dict) -> None:
    """Writes an npz file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)

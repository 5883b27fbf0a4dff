"""Slices of a folder in physical units, and what is computed from them once."""

import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from experiments.learned_ct.physics import Scan, total_variation
from sisr_jax.data.formats.readers import read_images
from sisr_jax.data.splits import read_assignments
from sisr_jax.data.transforms import to_unit_range

WINDOW = (-1000.0, 1000.0)
PNG_RESCALE = (1.0, -32768.0)


def files_of(data: pathlib.Path, split: str) -> dict[pathlib.Path, str]:
    """The patient of each file of a split of `data/ct`, by `data/manifest.csv`."""
    assigned = read_assignments(data / "manifest.csv", root=data / "ct")
    return {file: a.patient for file, a in assigned.items() if a.split == split}


def read_slice(file: pathlib.Path) -> np.ndarray:
    """One slice `[size, size]`, float32 in [0, 1] of the window."""
    return to_unit_range(next(iter(read_images(file, [0], PNG_RESCALE))), WINDOW)


@jax.jit
def starts_of(scan: Scan, target: jax.Array) -> dict[str, jax.Array]:
    """The measurement of slices `[..., size, size]` and the starts from it.

    Total variation at two weights, since the strong one wipes out the texture of noisy
    slices and the weak one keeps streaks; and back-projection (Hann).
    """
    measured = scan.operator(target)
    fbp = scan.operator.fbp(measured, filter_name="hann")
    strong = total_variation(scan, fbp, measured, weight=1e-3, num_steps=24)
    weak = total_variation(scan, strong, measured, weight=2e-4, num_steps=16)
    return {"measured": measured, "fbp": fbp, "strong": strong, "weak": weak}


def cached(scan: Scan, file: pathlib.Path, cache: pathlib.Path) -> dict:
    """The slice and its starts, computed if the cache does not hold them."""
    path = cache / f"{file.stem}.npz"
    if not path.exists():
        target = read_slice(file)
        arrays = jax.device_get(starts_of(scan, jnp.asarray(target)))
        save(path, arrays | {"target": target})
    with np.load(path) as stored:
        return dict(stored)


def save(path: pathlib.Path, arrays: dict) -> None:
    """Writes an npz file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)

import csv
import pathlib

import jax.numpy as jnp
import pytest

from sisr_jax.data.formats.readers import read_images
from sisr_jax.data.transforms import to_unit_range

SHARED = pathlib.Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="module")
def real_slice():
    """A CT slice of a test patient, in [0, 1] of [-1000, 1000] HU."""
    if not (SHARED / "manifest.csv").is_file():
        pytest.skip(f"needs real slices in {SHARED}")
    with (SHARED / "manifest.csv").open(newline="") as file:
        name = next(
            row["file"]
            for row in csv.DictReader(file)
            if row["split"] == "test" and row["file"].startswith("ct/")
        )
    (values,) = read_images(SHARED / name, [0], (1.0, -32768.0))
    return jnp.asarray(to_unit_range(values, (-1000.0, 1000.0)))

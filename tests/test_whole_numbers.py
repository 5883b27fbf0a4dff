"""What is a number of something is refused at once unless it is a whole number."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from sisr_jax.degradation import (
    beam_decimation,
    cine_decimation,
    lateral_decimation,
    random_view_ct,
)
from sisr_jax.image.padding import pad_to_multiple
from sisr_jax.image.patches import random_crop
from sisr_jax.image.resize import aligned_columns, half_pixel_columns
from sisr_jax.image.shuffle import (
    depth_to_space,
    depth_to_width,
    space_to_depth,
    width_to_depth,
)
from sisr_jax.metrics import (
    edge_response,
    gcnr,
    laguerre_gauss_channels,
    noise_power_spectrum,
    radial_mean,
)
from sisr_jax.reconstruction.conjugate_gradient import conjugate_gradient
from sisr_jax.reconstruction.data_consistency import data_consistency
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.tomography import (
    FanBeam,
    ParallelBeam,
    onto_axis,
    remove_outliers,
    remove_rings,
)
from sisr_jax.ultrasound import (
    CartesianGrid,
    KeptLines,
    LateralDecimation,
    PolarGrid,
    decimate_columns,
    fan_mask,
)
from sisr_jax.ultrasound.arrays import ARRAYS
from sisr_jax.ultrasound.sector_fit import fit_sector
from sisr_jax.ultrasound.speckle import displayed, residual_gain

FAN = {
    **{"size": 8, "pixel_mm": 1.0, "source_to_origin_mm": 50.0, "num_detectors": 9},
    **{"source_to_detector_mm": 100.0, "detector_pitch_mm": 2.0, "angles": [0.0, 1.0]},
}
BEAM, POLAR = ParallelBeam(8, 6), PolarGrid([1.0, 2.0], np.linspace(-1, 1, 8))
EQUISPACED = {
    **{"num_depths": 4, "num_lines": 4, "first_radius": 1.0, "radial_step": 1.0},
    **{"first_angle": 0.0, "angle_step": 0.1},
}
PROBES = (ARRAYS["linear"],)
LINES = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
DEEP = np.zeros((4, 4, 4), np.float32)
DISC_IMAGE = np.zeros((65, 65), np.float32)
DISC = {"centre": (32, 32), "radius": 21, "reach": 8, "pixel_mm": 1.0}
REGION = np.arange(8)[:, None, None] < np.full((8, 8, 1), 4)
FAN_OF_LIGHT = np.asarray(
    fan_mask(
        PolarGrid(np.linspace(60, 256, 99), np.linspace(-0.5, 0.5, 11)),
        CartesianGrid(shape=(260, 280), spacing=(1, 1), origin=(0, -140)),
    )
)
# In front of its number in the message, and what takes it: all of them take 2.
TAKEN = {
    "factor": [
        LateralDecimation,
        lambda n: decimate_columns(LINES, factor=n),
        POLAR.every,
        lambda n: beam_decimation(factor=n),
        lambda n: lateral_decimation(factor=n),
        lambda n: aligned_columns(LINES[..., None], factor=n),
        lambda n: half_pixel_columns(LINES[..., None], factor=n),
        lambda n: space_to_depth(DEEP, n),
        lambda n: depth_to_space(DEEP, n),
        lambda n: depth_to_width(DEEP, n),
        lambda n: width_to_depth(DEEP, n),
    ],
    "offset": [
        lambda n: LateralDecimation(4, n),
        lambda n: decimate_columns(LINES, factor=4, offset=n),
        lambda n: POLAR.every(3, n),
        lambda n: aligned_columns(LINES[..., None], factor=4, offset=n),
    ],
    "multiple": [lambda n: pad_to_multiple(DEEP, multiple=n)],
    "size": [
        lambda n: ParallelBeam(n, 6),
        lambda n: FanBeam(**FAN | {"size": n}),
        lambda n: random_crop(
            jax.random.split(jax.random.key(0), 1), (DEEP[None],), (2, n)
        ),
    ],
    "bins": [lambda n: gcnr(LINES[..., None], REGION, ~REGION, bins=n)],
    "oversampling": [lambda n: edge_response(DISC_IMAGE, oversampling=n, **DISC)],
    "reach": [lambda n: remove_outliers(LINES, threshold=1.0, reach=n)],
    "levels": [
        lambda n: displayed(LINES + 0j, reference_db=0, dynamic_range_db=60, levels=n)
    ],
    "num_samples": [
        ARRAYS["curved"].depths,
        lambda n: residual_gain(jax.random.key(0), n, spread_db=1.0),
    ],
    "num_angles": [lambda n: ParallelBeam(8, n)],
    "num_detectors": [
        lambda n: FanBeam(**FAN | {"num_detectors": n}),
        lambda n: onto_axis(LINES, axis=2.0, num_detectors=n),
    ],
    "k": [BEAM.every, FanBeam(**FAN).every],
    "num_depths": [
        lambda n: PolarGrid.equispaced(**EQUISPACED | {"num_depths": n}),
        lambda n: fit_sector(FAN_OF_LIGHT, num_depths=n, num_lines=9),
    ],
    "num_lines": [
        lambda n: PolarGrid.equispaced(**EQUISPACED | {"num_lines": n}),
        lambda n: fit_sector(FAN_OF_LIGHT, num_depths=9, num_lines=n),
    ],
    "shape": [
        lambda n: CartesianGrid(shape=(8, n), spacing=(1, 1), origin=(0, 0)),
        lambda n: laguerre_gauss_channels((n, 8), num_channels=1, width=2.0),
        lambda n: ARRAYS["curved"].sector((8, n)),
    ],
    "min_views": [lambda n: random_view_ct(BEAM, min_views=n, max_views=6)],
    "max_views": [lambda n: random_view_ct(BEAM, min_views=1, max_views=n)],
    "frames": [lambda n: cine_decimation(factor=4, frames=n, probes=PROBES)],
    "interleave": [
        lambda n: cine_decimation(factor=4, frames=3, interleave=n, probes=PROBES)
    ],
    "num_channels": [
        lambda n: laguerre_gauss_channels((8, 8), num_channels=n, width=2.0)
    ],
    "num_bins": [lambda n: radial_mean(LINES, pixel_mm=1.0, num_bins=n)],
    "degree": [lambda n: noise_power_spectrum(LINES[None], pixel_mm=1.0, degree=n)],
    "num_steps": [
        lambda n: data_consistency(LINES, LINES, LateralDecimation(1), num_steps=n),
        lambda n: conjugate_gradient(LINES, LateralDecimation(1), num_steps=n),
    ],
    "num_iterations": [
        lambda n: total_variation(
            LINES, LateralDecimation(1), weight=0.1, num_iterations=n
        )
    ],
}
CASES = [(name, take) for name, takers in TAKEN.items() for take in takers]


@pytest.fixture(autouse=True)
def _without_the_type_checker(monkeypatch):
    """It would be first to complain."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.parametrize("value", [2.5, 2.0, True, np.float32(2), None, np.nan])
@pytest.mark.parametrize(("name", "take"), CASES)
def test_other_numbers_are_refused_when_given(name, take, value):
    if name == "num_angles" and value is None:
        pytest.skip("angles instead")
    with pytest.raises(TypeError, match=f"^{name} = {value}: expected a whole number"):
        take(value)


@pytest.mark.parametrize("value", [2, np.int64(2), np.uint8(2), jnp.int32(2)])
@pytest.mark.parametrize(("name", "take"), CASES)
def test_whole_numbers_of_every_library_are_taken(name, take, value):
    if name == "offset" and take is TAKEN["offset"][2]:
        value = value - 1  # more would leave one line
    if name == "frames":
        value = value + 1  # one of them is in the middle
    take(value)


def test_they_become_those_of_python():
    """What is static is hashed, and an array has no hash."""
    operator = LateralDecimation(jnp.int32(4), np.int64(1))
    assert (type(operator.factor), type(operator.offset)) == (int, int)
    assert jax.jit(lambda operator, x: operator(x))(operator, LINES).shape == (8, 2)
    grid = CartesianGrid(shape=(np.int64(8), 4), spacing=(1, 1), origin=(0, 0))
    assert grid == CartesianGrid(shape=(8, 4), spacing=(1, 1), origin=(0, 0))
    assert [type(n) for n in grid.shape] == [int, int]


def test_lines_that_are_no_list_are_refused_where_they_are_used():
    """When it is made a leaf may be anything, for instance an axis of `vmap`."""
    with pytest.raises(ValueError, match=r"^kept = 2: expected \[\.\.\., lines\]$"):
        KeptLines(2)(LINES)
    several = KeptLines(jnp.eye(3, 8))
    one_each = jax.vmap(lambda each, x: each(x), in_axes=(KeptLines(0), None))
    assert one_each(several, LINES).shape == (3, 8, 8)
    np.testing.assert_array_equal(several(LINES)[2, :, 2], LINES[:, 2])
    assert KeptLines(jnp.ones((2, 5, 8))).range_shape == (None, 8)


# What would divide by it, or make an image without pixels.
TOO_FEW = [
    ("size = 0: expected at least 1", TAKEN["size"][2], 0),
    ("bins = 1: expected at least 2", TAKEN["bins"][0], 1),
    ("oversampling = 0: expected at least 1", TAKEN["oversampling"][0], 0),
    ("reach = 0: expected at least 1", TAKEN["reach"][0], 0),
    ("levels = 1: expected at least 2", TAKEN["levels"][0], 1),
    ("num_samples = 0: expected at least 1", TAKEN["num_samples"][0], 0),
    ("num_samples = -1: expected at least 1", TAKEN["num_samples"][1], -1),
    ("num_detectors = 0: expected at least 1", TAKEN["num_detectors"][1], 0),
    ("num_depths = 1: expected at least 2", TAKEN["num_depths"][1], 1),
    ("num_lines = 1: expected at least 2", TAKEN["num_lines"][1], 1),
]


@pytest.mark.parametrize(("message", "take", "value"), TOO_FEW)
def test_too_few_are_refused(message, take, value):
    with pytest.raises(ValueError, match=f"^{message}$"):
        take(value)


@pytest.mark.parametrize("value", [3.0, True, None])
def test_the_width_of_a_median_is_whole(value):
    with pytest.raises(TypeError, match=f"^width = {value}: expected a whole number"):
        remove_rings(LINES, width=value)
    assert remove_rings(LINES, width=np.int64(3)).shape == LINES.shape

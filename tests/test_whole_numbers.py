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
from sisr_jax.image.resize import aligned_columns, half_pixel_columns
from sisr_jax.metrics import laguerre_gauss_channels, noise_power_spectrum, radial_mean
from sisr_jax.reconstruction.conjugate_gradient import conjugate_gradient
from sisr_jax.reconstruction.data_consistency import data_consistency
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.tomography import FanBeam, ParallelBeam
from sisr_jax.ultrasound import (
    CartesianGrid,
    KeptLines,
    LateralDecimation,
    PolarGrid,
    decimate_columns,
)
from sisr_jax.ultrasound.arrays import ARRAYS

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
    ],
    "offset": [
        lambda n: LateralDecimation(4, n),
        lambda n: decimate_columns(LINES, factor=4, offset=n),
        lambda n: POLAR.every(3, n),
        lambda n: aligned_columns(LINES[..., None], factor=4, offset=n),
    ],
    "size": [lambda n: ParallelBeam(n, 6), lambda n: FanBeam(**FAN | {"size": n})],
    "num_angles": [lambda n: ParallelBeam(8, n)],
    "num_detectors": [lambda n: FanBeam(**FAN | {"num_detectors": n})],
    "k": [BEAM.every, FanBeam(**FAN).every],
    "num_depths": [lambda n: PolarGrid.equispaced(**EQUISPACED | {"num_depths": n})],
    "num_lines": [lambda n: PolarGrid.equispaced(**EQUISPACED | {"num_lines": n})],
    "shape": [
        lambda n: CartesianGrid(shape=(8, n), spacing=(1, 1), origin=(0, 0)),
        lambda n: laguerre_gauss_channels((n, 8), num_channels=1, width=2.0),
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

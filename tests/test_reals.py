"""Numbers that JAX would change when it takes them: complex, masked, of 64 bits."""

import re
import subprocess
import sys

import jax
import numpy as np
import pytest

from sisr_jax import metrics
from sisr_jax.image.resize import aligned_columns
from sisr_jax.reals import as_real
from sisr_jax.reconstruction.conjugate_gradient import conjugate_gradient
from sisr_jax.reconstruction.data_consistency import data_consistency
from sisr_jax.reconstruction.null_space import null_space
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.tomography import (
    FanBeam,
    FanBeamCT,
    ParallelBeam,
    ParallelBeamCT,
    axis_from_moments,
    axis_from_pair,
    back_project,
    fbp,
    line_integrals,
    onto_axis,
    radon,
    remove_outliers,
    remove_rings,
)
from sisr_jax.ultrasound import (
    CartesianGrid,
    KeptLines,
    LateralDecimation,
    PolarGrid,
    ScanConversion,
)

BEAM = ParallelBeam(16, 12)
CT, LINES = ParallelBeamCT(BEAM), LateralDecimation(2)
FAN = FanBeamCT(
    FanBeam(
        size=16,
        pixel_mm=1.0,
        source_to_origin_mm=100.0,
        source_to_detector_mm=200.0,
        num_detectors=40,
        detector_pitch_mm=1.0,
        angles=np.arange(12) * np.pi / 6,
    )
)
IMAGE = (1 + 1j) * np.ones((16, 16), np.complex64)
VIEWS = (1 + 1j) * np.ones(CT.range_shape)
PAIR = IMAGE, IMAGE
REAL = VIEWS.real[None]

FUNCTIONS = {
    "radon": lambda: radon(IMAGE, BEAM),
    "radon, reference": lambda: radon(IMAGE, BEAM, method="reference"),
    "back_project": lambda: back_project(VIEWS, BEAM),
    "fbp": lambda: fbp(VIEWS, BEAM),
    "A": lambda: CT(IMAGE),
    "A.T": lambda: CT.T(VIEWS),
    "A.fbp": lambda: CT.fbp(VIEWS),
    "fan": lambda: FAN(IMAGE),
    "fan.T": lambda: FAN.T(np.ones(FAN.range_shape, complex)),
    "line_integrals": lambda: line_integrals(
        VIEWS[None], flat=2 * REAL, dark=0 * REAL, least=0.1
    ),
    "remove_rings": lambda: remove_rings(VIEWS, width=3),
    "remove_outliers": lambda: remove_outliers(VIEWS, threshold=1),
    "onto_axis": lambda: onto_axis(VIEWS, axis=3.0, num_detectors=9),
    "axis_from_moments": lambda: axis_from_moments(VIEWS, angles=BEAM.angles),
    "axis_from_pair": lambda: axis_from_pair(VIEWS[0], VIEWS[6]),
    "conjugate_gradient": lambda: conjugate_gradient(IMAGE[:, ::2], LINES, num_steps=1),
    "data_consistency": lambda: data_consistency(
        IMAGE, IMAGE[:, ::2], LINES, num_steps=1
    ),
    "null_space": lambda: null_space(IMAGE, LINES),
    "total_variation": lambda: total_variation(IMAGE[:, ::2], LINES, weight=0.1),
    "psnr": lambda: metrics.psnr(*PAIR),
    "ssim": lambda: metrics.ssim(*PAIR),
    "rmse": lambda: metrics.rmse(*PAIR),
    "mae": lambda: metrics.mae(*PAIR),
    "residual": lambda: metrics.residual(*PAIR),
    "noise_power_spectrum": lambda: metrics.noise_power_spectrum(
        IMAGE[None], pixel_mm=1.0
    ),
    "regional_bias": lambda: metrics.regional_bias(IMAGE[None], IMAGE[None]),
    "lateral_spectrum": lambda: metrics.lateral_spectrum(IMAGE, column_mm=1.0),
}


def accepted():
    """Names of functions that take complex numbers."""
    for name, function in FUNCTIONS.items():
        try:
            function()
        except TypeError as error:
            if re.search(r"of type complex\d+: expected real numbers$", str(error)):
                continue
            raise
        yield name


def test_complex_numbers_are_refused():
    """As users have it: here in the tests, annotations alone would refuse them."""
    found = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, check=False
    )
    assert found.stdout + found.stderr[-1000:] == ""
    assert found.returncode == 0


@pytest.mark.parametrize(
    ("given", "dtype", "expected"),
    [
        (np.uint8, None, np.float32),
        (bool, None, np.float32),
        (np.float16, None, np.float32),
        (np.float16, np.float16, np.float16),
        (np.float64, None, np.float64),
        (np.float64, np.float32, np.float32),
    ],
)
def test_real_numbers_become_floats(given, dtype, expected):
    with jax.enable_x64(True):
        found = as_real(np.ones(3, given), "image", dtype)
    assert found.dtype == expected
    np.testing.assert_array_equal(found, 1)


@pytest.mark.parametrize("dtype", [None, np.float32])
def test_large_integers_become_floats(dtype):
    found = as_real(np.array([2**40]), "image", dtype)
    np.testing.assert_array_equal(found, [2.0**40])


POLAR = PolarGrid(radii=np.arange(16), angles=np.linspace(-0.5, 0.5, 16))
LINEAR = {
    "radon": lambda values: radon(values, BEAM),
    "back_project": lambda values: back_project(values[:12], ParallelBeam(11, 12)),
    "precondition": ParallelBeamCT(ParallelBeam(11, 16)).precondition,
    "LateralDecimation": LINES,
    "LateralDecimation.T": LINES.T,
    "LateralDecimation.precondition": LINES.precondition,
    "KeptLines": KeptLines(np.full(16, 2**32)),
    "KeptLines.precondition": KeptLines(np.ones(16)).precondition,
    "ScanConversion": ScanConversion(POLAR, CartesianGrid.covering(POLAR, 1.0)),
    "aligned_columns": lambda values: aligned_columns(values[..., None], factor=2),
    "remove_rings": lambda values: remove_rings(values, width=3),
    "radial_mean": lambda values: (
        metrics.radial_mean(values, pixel_mm=1, num_bins=4).values
    ),
}


@pytest.mark.parametrize("function", LINEAR.values(), ids=LINEAR)
@pytest.mark.parametrize("dtype", [">f4", ">i2", np.int64, np.uint64])
def test_numbers_of_numpy_count_as_they_are(function, dtype):
    values = np.arange(1.0, 257.0).reshape(16, 16)
    values *= 2**40 if np.dtype(dtype).itemsize == 8 else 1
    expected = function(values.astype(np.float32))
    np.testing.assert_allclose(function(values.astype(dtype)), expected, rtol=1e-5)


MASKED = np.ma.masked_greater(IMAGE.real, 0)


@pytest.mark.parametrize(
    "function",
    [
        lambda: metrics.psnr(MASKED, MASKED),
        lambda: metrics.residual(MASKED, MASKED),
        lambda: axis_from_moments(MASKED, angles=np.arange(16)),
        lambda: ParallelBeam(16, angles=MASKED[0]),
        lambda: LINES(MASKED),
    ],
)
def test_masks_are_not_lost(function):
    with pytest.raises(TypeError, match=r"^\w+: a masked array"):
        function()


if __name__ == "__main__":
    print(*accepted(), sep="\n", end="")

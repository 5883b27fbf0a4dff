import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.operators import check_adjoint
from sisr_jax.ultrasound import (
    CartesianGrid,
    KeptLines,
    LateralDecimation,
    PolarGrid,
    ScanConversion,
    decimate_columns,
    to_cartesian,
)

EVEN = PolarGrid.equispaced(
    20, 12, first_radius=10, radial_step=1.5, first_angle=-0.55, angle_step=0.1
)
UNEVEN = PolarGrid([0, 1, 1.5, 4, 9, 16, 25, 40], [0.7, 0.6, 0.55, 0.2, 0, -0.15])
GRIDS = {"even": EVEN, "uneven and mirrored": UNEVEN, "few lines": EVEN.every(5)}
CARTESIAN = CartesianGrid(shape=(34, 47), spacing=(1.0, 0.9), origin=(6.3, -20.1))
grids = pytest.mark.parametrize("polar", GRIDS.values(), ids=GRIDS)
factors = pytest.mark.parametrize(
    ("factor", "offset"), [(1, 0), (2, 0), (2, 1), (4, 3), (16, 5)]
)


@factors
def test_decimation_is_adjoint(factor, offset, key):
    operator = LateralDecimation(factor, offset)
    assert check_adjoint(operator, key) <= 1e-6
    assert check_adjoint(operator.T, key) <= 1e-6


@grids
def test_scan_conversion_is_adjoint(polar, key):
    operator = ScanConversion(polar, CARTESIAN)
    assert check_adjoint(operator, key) <= 1e-6
    assert check_adjoint(operator.T, key) <= 1e-6


@factors
def test_decimation_keeps_lines_and_puts_them_back(factor, offset):
    operator = LateralDecimation(factor, offset)
    image = np.random.default_rng(0).random((2, 3, 32)).astype(np.float32)
    lines = operator(image)
    np.testing.assert_array_equal(
        lines, decimate_columns(image, factor=factor, offset=offset)
    )
    back = np.zeros_like(image)
    back[..., offset::factor] = lines
    np.testing.assert_array_equal(operator.T(lines), back)
    np.testing.assert_array_equal(operator(operator.T(lines)), lines)
    assert operator.norm() == 1


@grids
def test_scan_conversion_draws_what_to_cartesian_does(polar):
    operator = ScanConversion(polar, CARTESIAN)
    beams = np.random.default_rng(0).random((2, *polar.shape)).astype(np.float32)
    expected = to_cartesian(beams, polar, CARTESIAN)
    np.testing.assert_array_equal(operator(beams), expected)
    picture = np.random.default_rng(1).random((2, *CARTESIAN.shape)).astype(np.float32)
    pull = jax.vjp(lambda x: to_cartesian(x, polar, CARTESIAN), jnp.asarray(beams))[1]
    np.testing.assert_allclose(operator.T(picture), pull(picture)[0], rtol=1e-5)
    assert (operator.domain_shape, operator.range_shape) == (
        polar.shape,
        CARTESIAN.shape,
    )


def test_other_types_are_computed_in_single_precision():
    for dtype in ("uint8", "float16", "int32"):
        sector = ScanConversion(EVEN, CARTESIAN)
        assert sector(np.ones(EVEN.shape, dtype)).dtype == np.float32
        assert sector.T(np.ones(CARTESIAN.shape, dtype)).dtype == np.float32
        assert LateralDecimation(2)(np.ones((3, 4), dtype)).dtype == np.float32
        assert LateralDecimation(2).T(np.ones((3, 4), dtype)).dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "factor = 0: expected at least 1"),
        ((4, 4), "offset = 4: expected 0 <= offset < factor = 4"),
        ((4, -1), "offset = -1"),
    ],
)
def test_impossible_decimation(arguments, message):
    with pytest.raises(ValueError, match=message):
        LateralDecimation(*arguments)


@pytest.mark.parametrize("kept", [[255, 0, 0, 7], np.array([1, 0, 0, 1], bool)])
def test_lines_are_kept_by_numbers_of_any_kind(kept):
    lines = KeptLines(kept)
    np.testing.assert_array_equal(lines(np.full((2, 4), 3.0)), [[3, 0, 0, 3]] * 2)
    assert lines.measured_share == 0.5
    assert lines.domain_shape == (None, 4)


@pytest.mark.parametrize("batch", [(0,), (2, 0)])
def test_empty_batches(batch):
    sector, lines = ScanConversion(EVEN, CARTESIAN), LateralDecimation(4)
    picture = sector(np.ones((*batch, *EVEN.shape)))
    assert picture.shape == (*batch, *CARTESIAN.shape)
    assert sector.T(picture).shape == (*batch, *EVEN.shape)
    assert lines(np.ones((*batch, 5, 12))).shape == (*batch, 5, 3)
    assert lines.T(np.ones((*batch, 5, 3))).shape == (*batch, 5, 12)


def test_wrong_shapes_are_refused():
    sector = ScanConversion(EVEN, CARTESIAN)
    with pytest.raises(ValueError, match=r"beams of shape \(12, 20\): .* 20, 12\]"):
        sector(np.ones((12, 20)))
    with pytest.raises(ValueError, match=r"picture of shape \(34, 46\): .* 34, 47\]"):
        sector.T(np.ones((34, 46)))
    with pytest.raises(ValueError, match="factor = 3: expected a divisor of the width"):
        LateralDecimation(3)(np.ones((2, 8)))

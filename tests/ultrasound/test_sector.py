import numpy as np
import pytest

from sisr_jax.ultrasound import CartesianGrid, PolarGrid

FAN = dict(
    first_radius=10, radial_step=0.5, first_angle=-np.pi / 6, angle_step=np.pi / 33
)


def test_equispaced_tables():
    grid = PolarGrid.equispaced(5, 12, **FAN)
    assert grid.shape == (5, 12)
    np.testing.assert_array_equal(grid.radii, [10, 10.5, 11, 11.5, 12])
    np.testing.assert_allclose(grid.angles, np.linspace(-np.pi / 6, np.pi / 6, 12))


def test_polar_grids_are_values():
    grid = PolarGrid.equispaced(5, 12, **FAN)
    same = PolarGrid(grid.radii, grid.angles)
    assert grid == same
    assert hash(grid) == hash(same)
    assert grid != PolarGrid(grid.radii, -grid.angles)
    assert repr(grid).startswith("PolarGrid(5 radii from 10 to 12, 12 angles")
    with pytest.raises(ValueError, match="read-only"):
        grid.radii[0] = 1


@pytest.mark.parametrize(("factor", "offset"), [(1, 0), (4, 0), (4, 3), (5, 1)])
def test_every_keeps_the_named_lines(factor, offset):
    grid = PolarGrid.equispaced(5, 12, **FAN)
    kept = grid.every(factor, offset)
    np.testing.assert_array_equal(kept.radii, grid.radii)
    np.testing.assert_array_equal(
        kept.angles, [grid.angles[i] for i in range(offset, 12, factor)]
    )


@pytest.mark.parametrize(
    ("angles", "low", "high"),
    [
        # Depth and lateral position of the corners, by hand, for radii 1 to 2.
        ((-np.pi / 6, np.pi / 6), (np.cos(np.pi / 6), -1), (2, 1)),
        ((np.pi / 6, -np.pi / 6), (np.cos(np.pi / 6), -1), (2, 1)),
        ((0, np.pi / 4), (np.sqrt(0.5), 0), (2, np.sqrt(2))),
        ((np.pi / 6, 3 * np.pi / 4), (-np.sqrt(2), 0.5), (np.sqrt(3), 2)),
    ],
)
@pytest.mark.parametrize("spacing", [0.1, 0.033])
def test_covering_is_the_smallest_grid_around_the_fan(angles, low, high, spacing):
    grid = CartesianGrid.covering(PolarGrid([1, 2], angles), spacing)
    for axis, positions in enumerate((grid.rows, grid.columns)):
        assert len(positions) == grid.shape[axis]
        before, after = low[axis] - positions[0], positions[-1] - high[axis]
        assert -1e-9 <= before < spacing / 2 + 1e-9
        np.testing.assert_allclose(before, after, atol=1e-9)
        np.testing.assert_allclose(np.diff(positions), spacing)


@pytest.mark.parametrize(
    ("radii", "angles", "message"),
    [
        ([1], [0, 1], r"radii of shape \(1,\): expected at least 2"),
        ([1, 2, 2], [0, 1], r"radii\[1\] = 2.0, then 2.0: expected"),
        ([1, 2, 3], [0, 0.2, 0.1, 1], r"angles\[1\] = 0.2, then 0.1"),
        ([3, 2, 1], [0, 1], "radii from 3.0 to 1.0: expected increasing"),
        ([-1, 2], [0, 1], "none negative"),
        ([1, np.nan], [0, 1], "radii holds nan: not finite"),
        ([1, 2], [0, np.inf], "angles holds inf"),
        ([1, 2], [-74, 74], r"angles from -74.0 to 74.0: expected radians"),
    ],
)
def test_impossible_polar_grids(radii, angles, message):
    with pytest.raises(ValueError, match=message):
        PolarGrid(radii, angles)


@pytest.mark.parametrize(
    ("factor", "offset", "message"),
    [
        (0, 0, "factor = 0: expected at least 1"),
        (4, 4, "offset = 4: expected 0 <= offset < factor = 4"),
        (4, -1, "offset = -1"),
        (12, 0, r"angles of shape \(1,\): expected at least 2"),
    ],
)
def test_impossible_decimation_of_lines(factor, offset, message):
    with pytest.raises(ValueError, match=message):
        PolarGrid.equispaced(5, 12, **FAN).every(factor, offset)


@pytest.mark.parametrize(
    ("shape", "spacing", "origin", "message"),
    [
        ((1, 8), (1, 1), (0, 0), r"shape = \(1, 8\): expected at least 2 x 2"),
        ((8, 8), (1, 0), (0, 0), r"spacing = \(1, 0\): expected positive"),
        ((8, 8), (np.nan, 1), (0, 0), "spacing"),
        ((8, 8), (1, 1), (0, np.inf), "origin"),
    ],
)
def test_impossible_cartesian_grids(shape, spacing, origin, message):
    with pytest.raises(ValueError, match=message):
        CartesianGrid(shape, spacing, origin)


@pytest.mark.parametrize("spacing", [0, -1, np.nan, np.inf])
def test_impossible_spacing(spacing):
    with pytest.raises(ValueError, match=f"spacing = {spacing}: expected positive"):
        CartesianGrid.covering(PolarGrid([1, 2], [0, 1]), spacing)

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import map_coordinates

from sisr_jax.ultrasound import (
    CartesianGrid,
    PolarGrid,
    decimate_columns,
    fan_mask,
    to_cartesian,
    to_polar,
)

POLAR = PolarGrid.equispaced(
    20, 12, first_radius=10, radial_step=1.5, first_angle=-0.55, angle_step=0.1
)
MIRRORED = PolarGrid(POLAR.radii, POLAR.angles[::-1])
UNEVEN = PolarGrid(
    [0, 1, 1.5, 4, 9, 16, 25, 40], [-0.7, -0.6, -0.55, -0.2, 0, 0.15, 0.5]
)
CARTESIAN = CartesianGrid(shape=(34, 47), spacing=(1.0, 0.9), origin=(6.3, -20.1))
GRIDS = pytest.mark.parametrize(
    "polar", [POLAR, MIRRORED, UNEVEN], ids=["even", "mirrored", "uneven"]
)


def physical(cartesian):
    """Depth and lateral position of every pixel."""
    (height, width), (down, right) = cartesian.shape, cartesian.spacing
    row, column = np.mgrid[:height, :width]
    return cartesian.origin[0] + down * row, cartesian.origin[1] + right * column


def field(radius, angle):
    """Something smooth on the scale of the samples."""
    return np.sin(radius / 6) + np.cos(3 * angle) * radius / 30


def beams_of(polar, shape=()):
    beams = np.random.default_rng(0).random((*shape, *polar.shape))
    return beams.astype(np.float32)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
@GRIDS
def test_equals_scipy_on_the_fan(polar, batch):
    z, x = physical(CARTESIAN)
    beams = beams_of(polar, batch)
    flip = slice(None, None, -1 if polar == MIRRORED else 1)
    read = RegularGridInterpolator(
        (polar.radii, polar.angles[flip]),
        np.moveaxis(beams[..., flip], (-2, -1), (0, 1)),
        bounds_error=False,
        fill_value=-7,
    )
    expected = read(np.stack([np.hypot(z, x), np.arctan2(x, z)], axis=-1))
    got = np.asarray(to_cartesian(beams, polar, CARTESIAN, fill=-7))
    assert got.dtype == np.float32
    np.testing.assert_allclose(np.moveaxis(expected, (0, 1), (-2, -1)), got, atol=1e-5)
    outside = got == -7
    assert 0.1 < outside.mean() < 0.9
    mask = np.broadcast_to(fan_mask(polar, CARTESIAN), got.shape)
    np.testing.assert_array_equal(mask, ~outside)


def test_equals_scipy_on_the_picture():
    image = np.random.default_rng(0).random((2, *CARTESIAN.shape)).astype(np.float32)
    radius, angle = POLAR.radii[:, None], POLAR.angles
    row = (radius * np.cos(angle) - 6.3) / 1.0
    column = (radius * np.sin(angle) + 20.1) / 0.9
    got = to_polar(image, POLAR, CARTESIAN, fill=-7)
    for i in range(2):
        expected = map_coordinates(image[i], [row, column], order=1, cval=-7)
        np.testing.assert_allclose(got[i], expected, atol=1e-5)
    assert 0 < (got == -7).mean() < 0.5


@GRIDS
def test_radius_and_angle_of_every_pixel(polar):
    # Bilinear interpolation in (radius, angle) reproduces both without error.
    z, x = physical(CARTESIAN)
    mask = np.asarray(fan_mask(polar, CARTESIAN))
    radius, angle = np.hypot(z, x), np.arctan2(x, z)
    low, high = sorted(polar.angles[[0, -1]])
    inside = (angle >= low) & (angle <= high)
    inside &= (radius >= polar.radii[0]) & (radius <= polar.radii[-1])
    np.testing.assert_array_equal(mask, inside)
    tables = np.broadcast_arrays(polar.radii[:, None], polar.angles)
    got = to_cartesian(np.stack(tables).astype(np.float32), polar, CARTESIAN)
    np.testing.assert_allclose(got[0], np.where(inside, radius, 0), rtol=1e-6)
    np.testing.assert_allclose(got[1], np.where(inside, angle, 0), atol=1e-6)


@GRIDS
def test_depth_and_side_of_every_sample(polar):
    around = CartesianGrid.covering(polar, 0.7)
    planes = np.stack(physical(around)).astype(np.float32)
    depth, side = to_polar(planes, polar, around, fill=np.nan)
    radius = polar.radii[:, None]
    np.testing.assert_allclose(depth, radius * np.cos(polar.angles), atol=1e-5)
    np.testing.assert_allclose(side, radius * np.sin(polar.angles), atol=1e-5)


def test_a_scatterer_lands_where_it_is():
    # Radius 13, angle atan2(5, 12): 12 mm deep and 5 mm to the right.
    polar = PolarGrid([11, 12, 13, 14], np.arctan2(5, 12) + np.array([-0.2, 0, 0.2]))
    cartesian = CartesianGrid((6, 9), (1, 1), origin=(9, 0))
    beams = np.zeros((4, 3), np.float32)
    beams[2, 1] = 1
    picture = to_cartesian(beams, polar, cartesian)
    np.testing.assert_allclose(picture[3, 5], 1, rtol=1e-6)
    assert picture.argmax() == 3 * 9 + 5


def test_the_border_belongs_to_the_fan():
    # 3-4-5 triangles: rounding decides on which side of the border these fall.
    corner = np.arctan2(3, 4)
    polar = PolarGrid([5, 7.5, 10], [-corner, 0, corner])
    cartesian = CartesianGrid((7, 13), (1, 1), origin=(4, -6))
    mask = fan_mask(polar, cartesian)
    picture = to_cartesian(np.full((3, 3), 2, np.int32), polar, cartesian)
    for z, x in [(4, -3), (4, 3), (8, -6), (8, 6), (10, 0), (5, 0)]:
        assert mask[z - 4, x + 6]
        assert picture[z - 4, x + 6] == 2
    for z, x in [(4, 0), (4, 4), (10, 1), (9, 5)]:
        assert not mask[z - 4, x + 6]
        assert picture[z - 4, x + 6] == 0


def test_rounding_does_not_decide_about_the_border():
    # A pixel put on the corner of a fan is off by the last bit in about half of them.
    for radius, angle in np.random.default_rng(0).uniform(0.1, 1.5, (40, 2)):
        tip = radius * np.cos(angle), radius * np.sin(angle)
        cartesian = CartesianGrid((2, 2), (1, 1), tip)
        for radii in ([0, radius], [radius, 9]):
            for angles in ([0, angle], [angle, 1.6]):
                assert fan_mask(PolarGrid(radii, angles), cartesian)[0, 0]


@pytest.mark.parametrize(("spacing", "tolerance"), [(1.0, 5e-3), (0.25, 1e-3)])
def test_round_trip_of_a_smooth_field(spacing, tolerance):
    polar = PolarGrid.equispaced(
        60, 41, first_radius=10, radial_step=0.5, first_angle=-0.6, angle_step=0.03
    )
    around = CartesianGrid.covering(polar, spacing)
    beams = field(polar.radii[:, None], polar.angles)
    picture = to_cartesian(beams.astype(np.float32), polar, around)
    again = to_polar(picture, polar, around)
    margin = int(np.ceil(2 * spacing / 0.5))  # pixels there blend with the outside
    lines = int(np.ceil(2 * spacing / (10 * 0.03)))
    inner = np.s_[margin:-margin, lines:-lines]
    error = np.abs(again - beams)[inner].max()
    assert error < tolerance * np.ptp(beams)
    z, x = physical(around)
    expected = field(np.hypot(z, x), np.arctan2(x, z))
    mask = fan_mask(polar, around)
    np.testing.assert_allclose(picture[mask], expected[mask], atol=2e-3)


@pytest.mark.parametrize("convert", [to_cartesian, to_polar])
def test_gradient_is_the_transpose(convert):
    source, target = POLAR.shape, CARTESIAN.shape
    if convert is to_polar:
        source, target = target, source
    generator = np.random.default_rng(1)
    x = generator.standard_normal((2, *source)).astype(np.float32)
    y = generator.standard_normal((2, *target)).astype(np.float32)
    picture, pull = jax.vjp(lambda v: convert(v, POLAR, CARTESIAN), x)
    (gradient,) = pull(y)
    np.testing.assert_allclose(np.vdot(x, gradient), np.vdot(picture, y), rtol=1e-4)
    # Each input spreads over the outputs with the weights they read it with.
    (reach,) = pull(np.ones_like(y))
    mask = convert(np.ones_like(x), POLAR, CARTESIAN)
    np.testing.assert_allclose(reach.sum(), mask.sum(), rtol=1e-5)


@pytest.mark.parametrize("convert", [to_cartesian, to_polar])
def test_transforms_compose(convert):
    shape = POLAR.shape if convert is to_cartesian else CARTESIAN.shape
    values = np.random.default_rng(0).random((3, *shape)).astype(np.float32)
    whole = convert(values, POLAR, CARTESIAN)
    jitted = jax.jit(convert, static_argnums=(1, 2))(values, POLAR, CARTESIAN)
    np.testing.assert_allclose(jitted, whole, atol=1e-6)
    mapped = jax.vmap(lambda v: convert(v, POLAR, CARTESIAN))(values)
    np.testing.assert_allclose(mapped, whole, atol=1e-6)
    np.testing.assert_allclose(convert(values[1], POLAR, CARTESIAN), whole[1])


def test_fill_may_not_leak_into_the_gradient():
    def energy(beams):
        return jnp.nansum(to_cartesian(beams, POLAR, CARTESIAN, fill=jnp.nan) ** 2)

    assert jnp.isfinite(jax.grad(energy)(beams_of(POLAR))).all()


def test_result_type():
    beams = np.ones(POLAR.shape)
    for dtype in ("uint8", "float16", "bfloat16", "float32"):
        picture = to_cartesian(jnp.asarray(beams, dtype), POLAR, CARTESIAN)
        assert picture.dtype == np.float32


def test_double_precision_stays():
    radius = np.broadcast_to(POLAR.radii[:, None], POLAR.shape)
    single = to_cartesian(radius, POLAR, CARTESIAN, fill=np.nan)
    assert single.dtype == np.float32
    jax.config.update("jax_enable_x64", True)
    try:
        picture = np.asarray(to_cartesian(radius, POLAR, CARTESIAN, fill=np.nan))
    finally:
        jax.config.update("jax_enable_x64", False)
    z, x = physical(CARTESIAN)
    mask = ~np.isnan(picture)
    np.testing.assert_allclose(picture[mask], np.hypot(z, x)[mask], rtol=1e-13)


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_decimated_beams_are_what_a_probe_with_fewer_lines_acquires(offset):
    kept = POLAR.every(3, offset)
    full = field(POLAR.radii[:, None], POLAR.angles).astype(np.float32)
    acquired = field(kept.radii[:, None], kept.angles).astype(np.float32)
    decimated = decimate_columns(full, factor=3, offset=offset)
    np.testing.assert_array_equal(decimated, acquired)
    # What was not acquired plays no part.
    other = full + 1
    other[:, offset::3] = full[:, offset::3]
    around = CartesianGrid.covering(POLAR, 0.1)
    sparse = to_cartesian(decimated, kept, around)
    again = to_cartesian(decimate_columns(other, factor=3, offset=offset), kept, around)
    np.testing.assert_array_equal(again, sparse)
    # The kept lines stay where they were: both pictures agree along them.
    along_kept = to_polar(sparse, kept, around)
    expected = to_polar(to_cartesian(full, POLAR, around), kept, around)
    inner = np.s_[1:-1, 1:-1]
    np.testing.assert_allclose(along_kept[inner], expected[inner], atol=5e-3)
    # The fan ends at the outermost lines kept.
    narrow, wide = fan_mask(kept, around), fan_mask(POLAR, around)
    assert not (narrow & ~wide).any()
    share = np.ptp(kept.angles) / np.ptp(POLAR.angles)
    np.testing.assert_allclose(narrow.sum() / wide.sum(), share, rtol=1e-2)


@pytest.mark.parametrize("batch", [(0,), (2, 0), (0, 3)])
def test_empty_batches(batch):
    picture = to_cartesian(np.ones((*batch, *POLAR.shape)), POLAR, CARTESIAN)
    assert picture.shape == (*batch, *CARTESIAN.shape)
    assert to_polar(picture, POLAR, CARTESIAN).shape == (*batch, *POLAR.shape)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"20, 12\], without an axis of channels$"):
        to_cartesian(np.ones((2, 20, 12, 1)), POLAR, CARTESIAN)
    with pytest.raises(ValueError, match=r"beams of shape \(12, 20\): .* 20, 12\]"):
        to_cartesian(np.ones((12, 20)), POLAR, CARTESIAN)
    with pytest.raises(ValueError, match=r"image of shape \(34, 46\): .* 34, 47\]"):
        to_polar(np.ones((34, 46)), POLAR, CARTESIAN)

import numpy as np
import pytest

from sisr_jax.data.transforms import (
    central_crop,
    check_finite,
    check_fit,
    clipped_share,
    filled_share,
    from_unit_range,
    is_constant,
    random_crop,
    to_unit_range,
)


def test_window_maps_its_ends_to_0_and_1_and_clips():
    image = np.array([[-2000.0, -1000.0], [0.0, 1000.0], [500.0, 3000.0]])
    expected = np.array([[0, 0], [0.5, 1], [0.75, 1]], np.float32)
    unit = to_unit_range(image, (-1000.0, 1000.0))
    assert unit.dtype == np.float32
    np.testing.assert_array_equal(unit, expected)


def test_the_way_back_from_the_unit_range():
    image = np.array([[-1000.0, 0.0], [40.0, 1000.0]])
    back = from_unit_range(to_unit_range(image, (-1000.0, 1000.0)), (-1000.0, 1000.0))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, image, atol=1e-3)


def test_empty_window_is_refused():
    with pytest.raises(ValueError, match=r"window = \(5.0, 5.0\)"):
        to_unit_range(np.zeros((2, 2)), (5.0, 5.0))


@pytest.mark.parametrize(
    ("size", "shape", "corner"),
    [((6, 8), (2, 4), (2, 2)), ((7, 5), (4, 5), (1, 0)), ((3, 3), (3, 3), (0, 0))],
)
def test_central_crop_takes_the_middle(size, shape, corner):
    image = np.arange(np.prod(size)).reshape(size)
    crop = central_crop(image, shape)
    assert crop.shape == shape
    assert crop[0, 0] == image[corner]


def test_random_crop_reaches_every_position_and_is_a_window():
    image = np.arange(20).reshape(4, 5)
    corners = set()
    for seed in range(200):
        crop = random_crop(image, (3, 3), rng=np.random.default_rng(seed))
        top, left = divmod(int(crop[0, 0]), 5)
        np.testing.assert_array_equal(crop, image[top : top + 3, left : left + 3])
        corners.add((top, left))
    assert corners == {(top, left) for top in range(2) for left in range(3)}


@pytest.mark.parametrize("crop", [central_crop, random_crop])
def test_too_small_for_the_crop(crop):
    options = {"rng": np.random.default_rng(0)} if crop is random_crop else {}
    with pytest.raises(ValueError, match=r"\(4, 4\) is smaller than the crop \(5, 4\)"):
        crop(np.zeros((4, 4)), (5, 4), **options)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_image_is_named(value):
    image = np.zeros((2, 2))
    image[1, 0] = value
    with pytest.raises(ValueError, match=r"a\.png: 1 of 4 pixels are NaN or infinite"):
        check_finite(image, name="a.png")
    check_finite(np.zeros((2, 2)), name="a.png")


def test_image_without_content():
    assert is_constant(np.ones((2, 2)))
    assert not is_constant(np.eye(2))


def test_share_that_the_window_clips():
    image = np.array([[-1041, -1040, -1000, 0], [1000, 1040, 1041, 3000]], np.float32)
    assert clipped_share(image, (-1000, 1000)) == 3 / 8
    assert clipped_share(image, (-2000, 4000)) == 0
    assert clipped_share(image, (5000, 6000)) == 1


@pytest.mark.parametrize(
    ("window", "share"),
    [((0, 255), 1), ((-1000, 1000), 0.1275), ((255, 300), 0), ((100, 300), 0.775)],
)
def test_share_of_the_window_that_values_fill(window, share):
    levels = np.arange(256, dtype=np.float32).reshape(16, 16)
    assert filled_share(levels, window) == pytest.approx(share)


@pytest.mark.parametrize(
    ("size", "fit", "fits"),
    [
        ((4, 6), "exact", True),
        ((4, 7), "exact", False),
        ((4, 7), "crop", True),
        ((4, 5), "crop", False),
        ((3, 9), "crop", False),
    ],
)
def test_fit(size, fit, fits):
    if fits:
        check_fit(size, (4, 6), fit=fit, name="a.png")
    else:
        with pytest.raises(ValueError, match=rf"a\.png is {size[0]}x{size[1]}.*4x6"):
            check_fit(size, (4, 6), fit=fit, name="a.png")

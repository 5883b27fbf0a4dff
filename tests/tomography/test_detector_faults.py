import ellipse_phantom
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.tomography.detector_faults import remove_outliers, remove_rings

SIZE = 128
ANGLES = np.arange(180) * np.pi / 180
CLEAN = ellipse_phantom.project(SIZE, ANGLES, 183, samples=4)


def test_bright_and_dark_spots_go_and_nothing_else_changes():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, CLEAN.shape)
    spots = np.zeros(CLEAN.shape, bool)
    spots[rng.integers(0, 60, 30) * 3, rng.integers(0, 61, 30) * 3] = True
    spoilt = CLEAN + noise + spots * rng.choice([-40, 40], CLEAN.shape)
    found = np.asarray(remove_outliers(spoilt, threshold=20.0))
    np.testing.assert_array_equal(found[~spots], spoilt[~spots].astype(np.float32))
    assert np.abs(found - CLEAN)[spots].max() < 4  # the slope beside the edge


def test_spots_at_the_border_go():
    values = np.ones((6, 5))
    values[0, 0] = values[-1, -1] = 100
    np.testing.assert_array_equal(remove_outliers(values, threshold=5.0), 1.0)


def test_a_stack_is_cleaned_slice_by_slice():
    stack = np.stack([np.ones((6, 5)), np.full((6, 5), 50.0)])
    np.testing.assert_array_equal(remove_outliers(stack, threshold=5.0), stack)


def test_detectors_that_read_otherwise_become_even():
    stripes = np.zeros(183)
    stripes[[60, 90, 91, 120]] = [1.5, -1, -1, 2]
    wrong = stripes != 0
    left = np.asarray(remove_rings(CLEAN + stripes, width=5)) - CLEAN
    assert rms(left[:, wrong]) < 0.35 * rms(stripes[wrong])
    # Elsewhere it costs what it costs without them: edges lose some sharpness.
    cost = np.asarray(remove_rings(CLEAN, width=5)) - CLEAN
    assert rms(cost) < 0.01 * CLEAN.max()
    assert rms(left[:, ~wrong]) < 1.1 * rms(cost[:, ~wrong])


def rms(values):
    return np.sqrt(np.mean(np.square(values)))


def test_sorted_values_are_put_back_where_they_were():
    wave = np.sin(ANGLES * 3)[:, None] * np.ones(11) + np.arange(2.0)[:, None, None]
    found = remove_rings(wave, width=5)
    np.testing.assert_allclose(found, wave, atol=1e-6)
    spoilt = wave + 3.0 * (np.arange(11) == 5)
    np.testing.assert_allclose(remove_rings(spoilt, width=5), wave, atol=1e-6)


def test_double_precision_stays(double_precision):
    values = jnp.ones((6, 5), jnp.float64)
    assert remove_outliers(values, threshold=1.0).dtype == jnp.float64
    assert remove_rings(values, width=3).dtype == jnp.float64


@pytest.mark.parametrize("width", [1, 4, -3])
def test_rings_need_an_odd_width(width):
    with pytest.raises(ValueError, match=f"width = {width}: expected an odd number"):
        remove_rings(CLEAN, width=width)


def test_outliers_need_a_distance_and_neighbours():
    with pytest.raises(ValueError, match="threshold = 0"):
        remove_outliers(CLEAN, threshold=0.0)
    with pytest.raises(ValueError, match="reach = 0"):
        remove_outliers(CLEAN, threshold=1.0, reach=0)

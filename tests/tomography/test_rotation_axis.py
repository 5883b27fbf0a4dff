import numpy as np
import pytest

from sisr_jax.tomography import ParallelBeam, fbp
from sisr_jax.tomography.rotation_axis import (
    axis_from_moments,
    axis_from_pair,
    onto_axis,
)

ANGLES = np.arange(91) * np.pi / 91
# Value, radius, middle (x, y), in detectors.
DISCS = ((1.0, 40.0, 3.0, -8.0), (0.5, 9.0, -20.0, 10.0))


def discs(axis, angles=ANGLES, count=160):
    """Exact chords of discs, with the axis at a detector."""
    angles = np.asarray(angles)[:, None]
    sinogram = np.zeros((len(angles), count))
    for value, radius, x, y in DISCS:
        s = np.arange(count) - axis - x * np.cos(angles) - y * np.sin(angles)
        sinogram += value * 2 * np.sqrt(np.maximum(radius**2 - s**2, 0))
    return sinogram


@pytest.mark.parametrize("axis", [79.5, 84.3, 71.0, 76.87])
def test_moments_find_the_axis(axis):
    found = axis_from_moments(discs(axis), angles=ANGLES)
    assert found == pytest.approx(axis, abs=0.01)


def test_moments_hardly_move_with_noise():
    noise = np.random.default_rng(0).normal(0, 1, (91, 160))
    found = axis_from_moments(discs(84.3) + noise, angles=ANGLES)
    assert found == pytest.approx(84.3, abs=0.3)


@pytest.mark.parametrize("axis", [79.5, 84.3, 71.0, 76.87, 90.1])
@pytest.mark.parametrize("noise", [0, 1])
def test_a_pair_finds_the_axis(axis, noise):
    view, opposite = discs(axis, [0.4, 0.4 + np.pi])
    spoilt = np.random.default_rng(0).normal(0, noise, (2, 160))
    found = axis_from_pair(view + spoilt[0], opposite + spoilt[1])
    assert found == pytest.approx(axis, abs=0.1 if noise else 0.05)


def test_a_pair_of_a_wider_object_finds_the_axis():
    view, opposite = discs(84.3, [0.4, 0.4 + np.pi])[:, 45:]
    assert axis_from_pair(view, opposite) == pytest.approx(84.3 - 45, abs=0.1)


def test_views_on_the_axis_reconstruct_the_object():
    beam = ParallelBeam(104, angles=ANGLES)
    moved = onto_axis(discs(84.3), axis=84.3, num_detectors=beam.num_detectors)
    there = discs(beam.num_detectors // 2, count=beam.num_detectors)
    assert np.abs(np.asarray(moved) - there).mean() < 0.1
    image = np.asarray(fbp(moved, beam))
    x, y = np.arange(104) - 52, 52 - np.arange(104)[:, None]
    inside = np.hypot(x - 3, y + 8) < 36
    small = np.hypot(x + 20, y - 10) < 6
    edge = np.hypot(x + 20, y - 10) < 12
    assert image[inside & ~edge].mean() == pytest.approx(1, abs=0.01)
    assert image[small].mean() == pytest.approx(1.5, abs=0.02)


def test_detectors_that_were_not_there_read_air():
    views = np.ones((2, 3, 4), np.float32)
    found = onto_axis(views, axis=1.0, num_detectors=8)
    np.testing.assert_array_equal(found[1, 2], [0, 0, 0, 1, 1, 1, 1, 0])
    np.testing.assert_allclose(
        onto_axis(views, axis=1.25, num_detectors=4)[0, 0], [0.25, 1, 1, 1]
    )


def test_what_tells_no_axis_is_refused():
    with pytest.raises(ValueError, match="90 angles: expected one for each view"):
        axis_from_moments(discs(80), angles=ANGLES[:-1])
    with pytest.raises(ValueError, match="2 angles: expected at least 3"):
        axis_from_moments(discs(80)[:2], angles=ANGLES[:2])
    with pytest.raises(ValueError, match="a view without mass"):
        axis_from_moments(discs(80) * 0, angles=ANGLES)
    with pytest.raises(ValueError, match="views of 160 and 159 detectors"):
        axis_from_pair(discs(80)[0], discs(80)[1, 1:])
    with pytest.raises(ValueError, match="num_detectors = 0"):
        onto_axis(discs(80), axis=80.0, num_detectors=0)

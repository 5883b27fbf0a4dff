"""What the weights of the views add up to, over families of angles."""

import jaxtyping
import numpy as np
import pytest

from sisr_jax.tomography import ParallelBeam, angular_weights, fbp
from sisr_jax.tomography.weights import angular_gaps

RANDOM = np.random.default_rng(3)
GOLDEN = np.pi * (np.sqrt(5) - 1) / 2

ALL_AROUND = {
    "half a turn": np.arange(180) * np.pi / 180,
    "a turn in degrees": np.deg2rad(np.arange(360)),
    "a turn with both ends": np.linspace(0, 2 * np.pi, 361),
    "two turns": np.linspace(0, 4 * np.pi, 720, endpoint=False),
    "two turns in float32": np.linspace(0, 4 * np.pi, 720, endpoint=False, dtype="f4"),
    "an odd turn": np.linspace(0, 2 * np.pi, 75, endpoint=False),
    "backwards": -np.arange(180) * np.pi / 180,
    "more than half a turn": np.deg2rad(np.arange(220)),
    "dense, then sparse": np.deg2rad(np.r_[np.arange(90), np.arange(90, 180, 3)]),
    "in bunches": np.deg2rad(np.cumsum(np.tile([1, 1, 1, 3], 30))),
    "two views left out": np.delete(np.arange(180) * np.pi / 180, [5, 90]),
    "repeated by turns": np.repeat(np.arange(30) * np.pi / 30, [1, 2, 3] * 10),
    "random": RANDOM.uniform(0, np.pi, 200),
    "random turns": RANDOM.uniform(-7, 7, 100),
    "random and repeated": np.repeat(RANDOM.uniform(0, np.pi, 50), 3),
    "by the golden angle": np.mod(np.arange(100) * GOLDEN, 2 * np.pi),
    "one": np.array([1.0]),
    "one direction": np.array([1.0, 1.0, 1.0 + np.pi]),
    "either end of the half circle": np.array([np.pi - 1e-12, 1e-13, 1.0, 2.0]),
}
DEGREE = np.pi / 180


def former(angles):
    """The rule of earlier versions, right for equispaced views and limited arcs."""
    order = np.argsort(np.mod(angles, np.pi))
    angles = np.mod(angles, np.pi)[order]
    gaps = np.diff(angles, append=angles[0] + np.pi)
    gaps = np.where(gaps > 2 * np.median(gaps), np.median(gaps), gaps)
    shares = np.empty_like(gaps)
    shares[order] = (gaps + np.roll(gaps, 1)) / 2
    return shares


def disc(size, angles, radius, centre):
    """Integrals of a disc of value 1, and the pixels well inside it."""
    beam = ParallelBeam(size, angles=angles)
    detector = np.arange(beam.num_detectors) - beam.num_detectors // 2
    x, y = centre
    offset = detector - (x * np.cos(beam.angles) + y * np.sin(beam.angles))[:, None]
    views = 2 * np.sqrt(np.maximum(radius**2 - offset**2, 0))
    column = np.arange(size) - size // 2
    inside = np.hypot(column - x, -column[:, None] - y) < 0.7 * radius
    return beam, views.astype(np.float32), inside


@pytest.mark.parametrize("name", ALL_AROUND)
def test_all_directions_add_up_to_half_a_turn(name):
    beam = ParallelBeam(9, angles=ALL_AROUND[name])
    weights = angular_weights(beam)
    np.testing.assert_allclose(weights.sum(), np.pi, rtol=1e-12)
    assert (weights > 0).all()
    order = RANDOM.permutation(beam.num_angles)
    shuffled = ParallelBeam(9, angles=beam.angles[order])
    np.testing.assert_allclose(angular_weights(shuffled), weights[order], rtol=1e-9)
    turned = ParallelBeam(9, angles=beam.angles - np.pi)
    np.testing.assert_allclose(angular_weights(turned), weights, rtol=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        "a turn in degrees",
        "a turn with both ends",
        "two turns",
        "dense, then sparse",
        "repeated by turns",
        "random",
        "random and repeated",
    ],
)
def test_a_disc_keeps_its_mean(name):
    beam, views, inside = disc(32, ALL_AROUND[name], radius=9, centre=(3, -2))
    image = np.asarray(fbp(views, beam))
    assert image[inside].mean() == pytest.approx(1, abs=0.01)


def test_views_of_one_direction_share_its_part():
    beam = ParallelBeam(9, angles=[0.0, 1.0, np.pi, 2.0, 2 * np.pi, 1.0 + 1e-9])
    part = (np.pi - 1) / 2
    expected = [part / 3, 0.5, part / 3, part, part / 3, 0.5]
    np.testing.assert_allclose(angular_weights(beam), expected)
    after, before = angular_gaps(beam)
    np.testing.assert_allclose(after, [1, 1, 1, np.pi - 2, 1, 1])
    np.testing.assert_allclose(before, [np.pi - 2, 1, np.pi - 2, 1, np.pi - 2, 1])


@pytest.mark.parametrize("num_angles", [1, 2, 3, 8, 63, 1000])
@pytest.mark.parametrize("k", [1, 3, 16])
def test_equispaced_views_are_as_before(num_angles, k):
    beam = ParallelBeam(9, num_angles).every(k)
    np.testing.assert_array_equal(angular_weights(beam), former(beam.angles))


@pytest.mark.parametrize("num_angles", [6, 20, 61, 200])
@pytest.mark.parametrize("arc", [20, 60, 120, 150])
@pytest.mark.parametrize("first", [0, -40, 100])
def test_limited_arcs_are_as_before(num_angles, arc, first):
    angles = DEGREE * (first + np.linspace(0, arc, num_angles))
    weights = angular_weights(ParallelBeam(9, angles=angles))
    np.testing.assert_array_equal(weights, former(angles))
    step = arc / (num_angles - 1)
    np.testing.assert_allclose(weights.sum() / DEGREE, num_angles * step)


def test_arcs_of_many_kinds():
    degrees = {
        "two": (np.r_[0:60, 90:150], 120),
        "two of few views": (np.r_[0:40:10, 90:130:10], 80),
        "forth and back": (np.r_[0:60, 59:-1:-1], 60),
        "one of two densities": (np.r_[0:45, 45:93:3], 91),
        "one, half a turn later by turns": (
            np.arange(60) + 180 * (np.arange(60) % 2),
            60,
        ),
    }
    for name, (angles, expected) in degrees.items():
        weights = angular_weights(ParallelBeam(9, angles=DEGREE * angles))
        assert weights.sum() / DEGREE == pytest.approx(expected), name


def test_random_angles_of_an_arc():
    angles = np.random.default_rng(0).uniform(0, 2, 200)
    weights = angular_weights(ParallelBeam(9, angles=angles))
    assert weights.sum() == pytest.approx(2, abs=0.05)
    assert former(angles).sum() < 1.5


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        ([0.0, 1.0, 2.0], [(np.pi - 1) / 2, 1.0, (np.pi - 1) / 2]),
        ([2.0, 0.0, 1.0], [(np.pi - 1) / 2, (np.pi - 1) / 2, 1.0]),
        # 0.3 and 0.1 + pi are lines 0.2 apart; what is left is not measured.
        ([0.3, 0.1 + np.pi, 0.5], [0.2, 0.2, 0.2]),
        ([1.0], [np.pi]),
        (np.arange(8) * np.pi / 8, [np.pi / 8] * 8),
    ],
)
def test_few_views(angles, expected):
    beam = ParallelBeam(9, angles=angles)
    np.testing.assert_allclose(angular_weights(beam), expected)
    np.testing.assert_allclose(
        angular_weights(beam, weights="uniform"), np.pi / beam.num_angles
    )
    ones = np.ones((beam.num_angles, beam.num_detectors), np.float32)
    image = fbp(ones, beam, filter_name=None, method="reference")
    np.testing.assert_allclose(image, np.sum(expected) / 2, rtol=1e-6)


def test_unknown_weights(monkeypatch):
    # The type checker of the tests would be first to complain.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match="weights = 'even': expected one of"):
        fbp(np.zeros((3, 12)), ParallelBeam(8, 3), weights="even")

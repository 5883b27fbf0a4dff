from typing import Any

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from ellipse_phantom import ELLIPSES

from sisr_jax.operators import check_adjoint
from sisr_jax.tomography import FanBeam, FanBeamCT, ParallelBeam, ParallelBeamCT
from sisr_jax.tomography.fan_planning import views_of

SIZE, PIXEL = 24, 0.5


def fan_of(num_angles=20, **numbers: Any):
    numbers = {
        "size": SIZE,
        "pixel_mm": PIXEL,
        "source_to_origin_mm": 40.0,
        "source_to_detector_mm": 60.0,
        "num_detectors": 40,
        "detector_pitch_mm": 0.75,
        "angles": np.arange(num_angles) * 2 * np.pi / num_angles,
    } | numbers
    return FanBeam(**numbers)


FAR: dict[str, Any] = {"source_to_origin_mm": 400.0, "source_to_detector_mm": 600.0}
NEAR: dict[str, Any] = {"source_to_origin_mm": 12.0, "source_to_detector_mm": 30.0}
FANS = {
    "full turn": fan_of(),
    "arc": fan_of(19, detector="arc"),
    "offset": fan_of(detector_offset_mm=0.2),
    "odd": fan_of(7, size=23, num_detectors=39),
    "short scan": fan_of(angles=np.arange(30) * np.pi * 1.25 / 30),
    "few views": fan_of(6),
    "any angles": fan_of(angles=[-4.0, 0.3, 0.3, 0.0, 7.0]),
    "near": fan_of(**NEAR, detector_pitch_mm=1.5),
    "far": fan_of(8, **FAR, num_detectors=20, detector_pitch_mm=1.5),
    "dense": fan_of(120),
    "one pixel": fan_of(3, size=1),
}
fans = pytest.mark.parametrize("fan", FANS.values(), ids=FANS)


def disc(size, centre, radius, samples=8):
    """Share of every pixel inside a disc; lengths in pixels from the middle."""
    step = (np.arange(samples) + 0.5) / samples - 0.5
    place = (np.arange(size)[:, None] - (size - 1) / 2 + step).ravel()
    x, y = place[None] - centre[0], -place[:, None] - centre[1]
    inside = (x**2 + y**2 <= radius**2).reshape(size, samples, size, samples)
    return inside.mean((1, 3))


def chords(fan, centre, radius):
    """Exact integrals of a disc with the value 1 per mm."""
    t = fan.angles[:, None] + fan.fan_angles
    s = fan.source_to_origin_mm * np.sin(fan.fan_angles) / fan.pixel_mm
    offset = s - centre[0] * np.cos(t) - centre[1] * np.sin(t)
    return 2 * np.sqrt(np.maximum(radius**2 - offset**2, 0)) * fan.pixel_mm


@fans
def test_the_transpose_is_adjoint(fan, key):
    operator = FanBeamCT(fan)
    assert check_adjoint(operator, key) <= 1e-6
    assert check_adjoint(operator.T, key) <= 1e-6


@pytest.mark.parametrize("kind", ["flat", "arc"])
@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_projects_a_disc(kind, offset):
    """On one side, seen by a scanner without symmetries, so that any flip is wrong."""
    angles = np.array([0.2, 1.1, 2.0, 3.0, 3.9, 4.4, 5.3, 6.1])
    fan = fan_of(
        angles=angles,
        size=128,
        pixel_mm=0.1,
        num_detectors=150,
        detector_pitch_mm=0.2,
        detector=kind,
        detector_offset_mm=offset,
    )
    truth = chords(fan, (20, 31), 15)
    found = np.asarray(FanBeamCT(fan)(disc(128, (20, 31), 15)), np.float64)
    assert np.linalg.norm(found - truth) <= 0.02 * np.linalg.norm(truth)


def test_is_as_accurate_as_parallel_beams():
    """The head phantom's error against exact integrals, by the same rays' distance."""

    def exact(t, s, size):
        total = np.zeros(np.broadcast_shapes(t.shape, s.shape))
        for value, a, b, x0, y0, tilt in ELLIPSES:
            turned = t - np.deg2rad(tilt)
            width2 = (a * np.cos(turned)) ** 2 + (b * np.sin(turned)) ** 2
            offset = s * 2 / size - x0 * np.cos(t) - y0 * np.sin(t)
            chord = 2 * a * b * np.sqrt(np.maximum(width2 - offset**2, 0)) / width2
            total += value * chord * size / 2
        return total

    def error(found, truth):
        return np.linalg.norm(found - truth) / np.linalg.norm(truth)

    size = 129
    step = (np.arange(8) + 0.5) / 8 - 0.5
    place = (np.arange(size)[:, None] - size // 2 + step).ravel() * 2 / size
    x, y = place[None], -place[:, None]
    image = np.zeros((len(place), len(place)))
    for value, a, b, x0, y0, tilt in ELLIPSES:
        c, s = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
        along = ((x - x0) * c + (y - y0) * s) / a
        across = ((y - y0) * c - (x - x0) * s) / b
        image += value * (along**2 + across**2 <= 1)
    image = image.reshape(size, 8, size, 8).mean((1, 3))
    beam = ParallelBeam(size, 60)
    detectors = np.arange(beam.num_detectors) - beam.num_detectors // 2
    parallel = error(
        ParallelBeamCT(beam)(image),
        exact(beam.angles[:, None], detectors[None], size),
    )
    fan = fan_of(
        60,
        size=size,
        pixel_mm=1.0,
        source_to_origin_mm=300.0,
        source_to_detector_mm=450.0,
        num_detectors=130,
        detector_pitch_mm=1.5,
    )
    t = fan.angles[:, None] + fan.fan_angles
    s = 300 * np.sin(fan.fan_angles)[None]
    assert error(FanBeamCT(fan)(image), exact(t, s, size)) <= 1.3 * parallel


@pytest.mark.parametrize(
    ("views", "first", "tabulated"),
    [
        pytest.param(24, 0.0, 4, id="quarter turns and reflections"),
        pytest.param(18, 0.0, 5, id="half turns and reflections"),
        pytest.param(9, 0.0, 5, id="reflections"),
        pytest.param(12, 0.1, 3, id="quarter turns"),
        pytest.param(6, 0.1, 3, id="half turns"),
    ],
)
def test_views_that_share_a_table_are_those_that_do_not(views, first, tabulated):
    angles = first + np.arange(views) * 2 * np.pi / views
    shared = fan_of(angles=angles)
    assert len(views_of(shared).angles) == tabulated
    x = jax.random.normal(jax.random.key(0), (2, SIZE, SIZE))
    together = FanBeamCT(shared)(x)
    for view, angle in enumerate(angles):
        alone = fan_of(angles=[angle])
        np.testing.assert_allclose(
            FanBeamCT(alone)(x)[:, 0], together[:, view], atol=2e-4, rtol=1e-4
        )


def test_irregular_views_share_nothing():
    random = fan_of(angles=np.random.default_rng(0).uniform(0, 6, 30))
    assert len(views_of(random).moves) == 1
    # A detector that is not centred has no mirror image.
    turned = views_of(fan_of(24, detector_offset_mm=0.1))
    assert len(turned.angles) == 6
    assert not any(move.mirrored for move in turned.moves)


@pytest.mark.parametrize("name", ["full turn", "offset", "any angles"])
def test_jit_vmap_and_grad(name):
    operator = FanBeamCT(FANS[name])
    x = jax.random.normal(jax.random.key(0), (3, *operator.domain_shape))
    y = operator(x)
    assert y.shape == (3, *operator.range_shape)
    compiled = jax.jit(lambda operator, x: operator(x))(operator, x)
    np.testing.assert_allclose(compiled, y, atol=1e-4)
    np.testing.assert_allclose(jax.vmap(operator)(x), y, atol=1e-4)
    one = jnp.stack([operator(each) for each in x])
    np.testing.assert_allclose(one, y, atol=1e-4)
    target = jnp.ones_like(y)
    gradient = jax.grad(lambda x: jnp.sum((operator(x) - target) ** 2) / 2)(x)
    np.testing.assert_allclose(gradient, operator.T(y - target), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "count"), [("full turn", 2), ("dense", 7), ("dense", 12)]
)
def test_a_batch_in_groups_is_each_of_its_images(name, count, key):
    """On a CPU: of one image a group, and of several with a rest."""
    operator = FanBeamCT(FANS[name])
    x = jax.random.normal(key, (count, *operator.domain_shape))
    program = jax.jit(lambda operator, x: operator(x)).lower(operator, x)
    assert "while" in program.as_text()
    y = operator(x)
    one = jnp.stack([operator(each) for each in x])
    np.testing.assert_allclose(y, one, atol=1e-5)
    back = jnp.stack([operator.T(each) for each in y])
    np.testing.assert_allclose(operator.T(y), back, rtol=1e-5, atol=1e-3)


def test_a_second_call_compiles_nothing(caplog):
    operator, x = FanBeamCT(FANS["full turn"]), jnp.ones((3, SIZE, SIZE))
    operator.T(operator(x))
    with jax.log_compiles():
        operator.T(operator(x))
    assert "Compiling" not in caplog.text
    with jax.log_compiles():
        operator(x[:2])
    assert "Compiling" in caplog.text


def test_types():
    operator = FanBeamCT(FANS["few views"])
    assert operator(np.ones((SIZE, SIZE), np.int32)).dtype == jnp.float32
    assert operator(jnp.ones((SIZE, SIZE), jnp.bfloat16)).dtype == jnp.float32


def test_float64_stays_float64(double_precision, key):
    operator = FanBeamCT(FANS["few views"])
    x = jax.random.normal(key, (SIZE, SIZE), jnp.float64)
    assert operator(x).dtype == operator.fbp(operator(x)).dtype == jnp.float64
    assert operator.T(operator(x)).dtype == jnp.float64


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: a(jnp.ones((SIZE, SIZE, 1))), "expected .* without an axis of chan"),
        (lambda a: a.T(jnp.ones((20, 39))), r"sinogram of shape \(20, 39\)"),
        (lambda a: a.fbp(jnp.ones((40, 20))), r"sinogram of shape \(40, 20\)"),
        (lambda a: a.precondition(jnp.ones((40, 20))), "residual of shape"),
        (lambda a: a.fbp(jnp.ones((20, 40)), filter_name="no"), "filter_name = 'no'"),
    ],
)
def test_wrong_shapes(monkeypatch, call, message):
    # The type checker of the tests would be first to complain.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        call(FanBeamCT(FANS["full turn"]))


@pytest.mark.parametrize("name", sorted(FANS.keys() - {"one pixel"}))
def test_the_norm_of_the_preconditioned_normal_matrix(name):
    fan = FANS[name]
    operator = FanBeamCT(fan)
    size = fan.size

    def multiply(x, operator):
        return operator.T(operator.precondition(operator(x)))

    images = jnp.eye(size**2).reshape(-1, size, size)
    matrix = np.asarray(jax.jit(multiply)(images, operator), np.float64)
    matrix = matrix.reshape(size**2, size**2)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)
    values = np.linalg.eigvalsh(matrix)
    assert values[0] > -1e-5
    assert 0.25 < values[-1] <= 1.0

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from test_fan_operator import chords, disc, fan_of

from sisr_jax.tomography import FanBeamCT
from sisr_jax.tomography.fan_fbp import redundancy

SIZE = 96
NUMBERS: dict[str, Any] = {
    "size": SIZE,
    "pixel_mm": 0.125,
    "num_detectors": 130,
    "detector_pitch_mm": 0.18,
}
FANS = {
    "full turn": fan_of(360, **NUMBERS),
    "arc": fan_of(360, **NUMBERS, detector="arc"),
    "offset": fan_of(360, **NUMBERS, detector_offset_mm=0.1),
    "displaced": fan_of(360, **NUMBERS | {"num_detectors": 80}, detector_offset_mm=6.0),
    "displaced arc": fan_of(
        360,
        **NUMBERS | {"num_detectors": 90},
        detector_offset_mm=-5.05,
        detector="arc",
    ),
    "both ends of the turn": fan_of(angles=np.linspace(0, 2 * np.pi, 361), **NUMBERS),
    "two turns": fan_of(angles=np.arange(720) * 4 * np.pi / 720 - 1, **NUMBERS),
    "short scan": fan_of(angles=np.arange(200) * 1.2 * np.pi / 200 + 0.3, **NUMBERS),
    "three quarters": fan_of(angles=np.arange(270)[::-1] * np.pi / 180, **NUMBERS),
    "near": fan_of(
        360,
        **NUMBERS | {"num_detectors": 300, "detector_pitch_mm": 0.25},
        source_to_origin_mm=15.0,
        source_to_detector_mm=35.0,
        detector="arc",
    ),
}
fans = pytest.mark.parametrize("fan", FANS.values(), ids=FANS)


@fans
def test_reconstructs_a_disc(fan):
    """Of exact integrals: its value, and nothing outside of it."""
    centre, radius = (14, -9), 20
    image = np.asarray(FanBeamCT(fan).fbp(chords(fan, centre, radius)))
    truth = disc(SIZE, centre, radius)
    inner, outer = disc(SIZE, centre, radius - 3), disc(SIZE, centre, radius + 3)
    near = disc(SIZE, (0, 0), 40)
    assert image[inner == 1].mean() == pytest.approx(1, abs=2e-3)
    assert np.abs(image[inner == 1] - 1).max() < 0.06
    assert image[(outer == 0) & (near == 1)].mean() == pytest.approx(0, abs=2e-3)
    assert np.sqrt(np.mean((image - truth)[near == 1] ** 2)) < 0.035


def test_two_shares_of_a_line_add_up_to_one():
    arc = 1.3 * np.pi
    fan = fan_of(angles=np.arange(400) * arc / 400, num_detectors=41)
    weights, angles, g = redundancy(fan), fan.angles, fan.fan_angles
    step = angles[1]
    assert weights.min() >= 0
    seen_twice = 0
    for column in range(41):
        other = angles + np.pi + 2 * g[column]
        conjugate = np.interp(other, angles, weights[:, 40 - column], right=np.nan)
        twice = ~np.isnan(conjugate)
        seen_twice += twice.sum()
        total = weights[twice, column] + conjugate[twice]
        np.testing.assert_allclose(total, 1, atol=0.05)
    assert seen_twice > 1000
    # Whatever is seen once counts whole.
    middle = (angles > arc - np.pi + 0.6) & (angles < np.pi - 0.6 - step)
    np.testing.assert_array_equal(weights[middle], 1)


def test_half_for_a_whole_turn():
    np.testing.assert_array_equal(redundancy(FANS["two turns"]), 0.5)


def test_is_linear_and_batched():
    operator = FanBeamCT(fan_of(12))
    y = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 12, 40)), jnp.float32)
    image = operator.fbp(y)
    assert image.shape == (2, 3, 24, 24)
    np.testing.assert_allclose(operator.fbp(y[1, 2]), image[1, 2], atol=1e-5)
    np.testing.assert_allclose(operator.fbp(2 * y), 2 * image, atol=1e-4)


def test_a_smoother_filter_and_none():
    operator = FanBeamCT(FANS["short scan"])
    y = chords(FANS["short scan"], (0, 0), 20)
    noise = np.random.default_rng(0).normal(size=y.shape) * 0.01
    ramp, hann = (
        np.asarray(operator.fbp(noise, filter_name=name)) for name in ("ramp", "hann")
    )
    assert hann.std() < 0.6 * ramp.std()
    plain = np.asarray(operator.fbp(y, filter_name=None))
    assert plain.argmax() // SIZE == pytest.approx(SIZE / 2, abs=2)

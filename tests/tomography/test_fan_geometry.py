from typing import Any

import jaxtyping
import numpy as np
import pytest

from sisr_jax.tomography import FanBeam

NUMBERS: dict[str, Any] = {
    "size": 16,
    "pixel_mm": 0.5,
    "source_to_origin_mm": 40.0,
    "source_to_detector_mm": 60.0,
    "num_detectors": 25,
    "detector_pitch_mm": 0.75,
    "angles": [0.0, 0.5, 1.0],
}


def fan_with(**changes: Any):
    return FanBeam(**NUMBERS | changes)


def test_rays_of_either_detector():
    flat, arc = fan_with(), fan_with(detector="arc")
    u = (np.arange(25) - 12) * 0.75
    np.testing.assert_allclose(np.tan(flat.fan_angles), u / 60, atol=1e-12)
    np.testing.assert_allclose(arc.fan_angles, u / 60, atol=1e-12)
    assert flat.pitch_at_origin_mm == pytest.approx(0.5)
    moved = fan_with(detector_offset_mm=0.3)
    np.testing.assert_allclose(np.tan(moved.fan_angles), (u + 0.3) / 60, atol=1e-12)


def test_is_a_value():
    fan = fan_with()
    assert fan == fan_with()
    assert hash(fan) == hash(fan_with())
    assert fan != fan_with(angles=[0.0, 0.5, 1.1])
    assert fan != fan_with(detector="arc")
    with pytest.raises(AttributeError):
        setattr(fan, "size", 3)  # noqa: B010  # not by mistake
    with pytest.raises(ValueError, match="read-only"):
        fan.angles[0] = 1


def test_some_of_the_views():
    fan = fan_with(angles=np.arange(10) / 4, detector="arc")
    np.testing.assert_array_equal(fan.every(4).angles, [0, 1, 2])
    np.testing.assert_array_equal(fan.within(0.5, 1.0).angles, [0.5, 0.75, 1.0])
    assert fan.every(1) == fan
    assert fan.every(2).detector == "arc"
    with pytest.raises(ValueError, match="k = 0"):
        fan.every(0)
    with pytest.raises(ValueError, match="no view lies within"):
        fan.within(3, 4)
    with pytest.warns(UserWarning, match="degrees"):
        fan.within(0, 90)


@pytest.mark.parametrize(
    ("name", "value", "kind", "message"),
    [
        ("size", 0, ValueError, "size = 0"),
        ("size", 1.5, TypeError, "size = 1.5"),
        ("num_detectors", 0, ValueError, "num_detectors = 0"),
        ("pixel_mm", 0.0, ValueError, "pixel_mm = 0.0"),
        ("pixel_mm", float("nan"), ValueError, "pixel_mm = nan"),
        ("detector_pitch_mm", -1.0, ValueError, "detector_pitch_mm = -1.0"),
        ("source_to_origin_mm", 5.6, ValueError, "corners are at 5.65"),
        ("source_to_detector_mm", 39.0, ValueError, "at least source_to_origin"),
        ("source_to_detector_mm", float("inf"), ValueError, "= inf"),
        ("detector", "curved", ValueError, "'curved'"),
        ("pixel_mm", [0.5, 0.5], ValueError, "one finite number"),
        ("detector_offset_mm", float("nan"), ValueError, "offset_mm = nan"),
        ("angles", [], ValueError, "at least 1 angle"),
        ("angles", [0.0, float("inf")], ValueError, r"angles\[1\] = inf"),
    ],
)
def test_what_no_scanner_has(monkeypatch, name, value, kind, message):
    # The type checker of the tests would be first to complain.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(kind, match=message):
        fan_with(**{name: value})


def test_an_arc_of_more_than_half_a_turn():
    fan_with(detector_pitch_mm=10.0)
    with pytest.raises(ValueError, match="below 90 degrees"):
        fan_with(detector_pitch_mm=10.0, detector="arc")


def test_degrees_are_noticed():
    with pytest.warns(UserWarning, match="look like degrees"):
        fan_with(angles=np.arange(360))

"""Beam space: what is simulated, measured, looked at and compared."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.config import ConfigError, parse
from sisr_jax.config.beams import ARRAYS as CONFIGURED
from sisr_jax.config.files import load
from sisr_jax.degradation import beam_decimation, modality_of
from sisr_jax.degradation.beams_modality import BeamBaselines
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.types import Measurement
from sisr_jax.ultrasound import CartesianGrid, LateralDecimation, ScanConversion
from sisr_jax.ultrasound.arrays import ARRAYS, varied

SHAPE = (32, 32)
LEVELS = jnp.full((3, *SHAPE, 1), 0.7).at[:, 10:20, 8:24].set(0.0)


@pytest.fixture(scope="module")
def simulated():
    return beam_decimation(factor=4, offset=1, probes=(ARRAYS["curved"],))


@pytest.fixture(scope="module")
def drawn(simulated):
    keys = jax.random.split(jax.random.key(0), 3)
    return jax.jit(type(simulated).truth)(simulated, keys, LEVELS)


def test_frames_are_simulated_by_their_key_in_levels_of_the_display(drawn, simulated):
    assert drawn.shape == LEVELS.shape
    np.testing.assert_allclose(drawn * 255, jnp.round(drawn * 255), atol=1e-4)
    # Around the level of the tissue, and far below it in fluid.
    tissue, fluid = drawn[:, 24:], drawn[:, 13:17, 12:20]
    assert 0.55 < float(tissue.mean()) < 0.8
    assert float(tissue.std()) > 0.05
    assert float(fluid.mean()) < 0.3
    keys = jax.random.split(jax.random.key(0), 3)[::-1]
    again = jax.jit(type(simulated).truth)(simulated, keys, LEVELS)
    np.testing.assert_array_equal(again, drawn[::-1])
    assert float(jnp.abs(drawn[0] - drawn[1]).mean()) > 0.02


def test_whatever_compiles_knows_types_and_shapes_of_all_leaves(simulated):
    leaves = jax.tree.leaves(simulated)
    assert leaves
    assert {leaf.dtype.name for leaf in leaves} == {"float32"}


def test_what_is_measured_are_lines_of_the_truth(drawn, simulated, key):
    values, operator = simulated.measure(key, drawn)
    np.testing.assert_array_equal(values, drawn[:, :, 1::4, 0])
    assert isinstance(operator, LateralDecimation)
    estimate = simulated.estimate(simulated.measure(key, drawn))
    np.testing.assert_array_equal(estimate, drawn[:, :, 1::4])


def test_recorded_frames_are_left_as_they_are(key):
    recorded = beam_decimation(factor=4)
    assert recorded.truth(key, LEVELS) is LEVELS
    assert recorded.picture(LEVELS) is LEVELS
    assert not recorded.has_pictures


def test_pictures_are_scan_converted_and_differentiable():
    polar = ARRAYS["curved"].sector(SHAPE)
    convert = ScanConversion(polar, CartesianGrid.covering(polar, 0.5))
    degradation = beam_decimation(factor=4, conversion=convert, picture_weight=2.0)
    assert degradation.has_pictures
    assert degradation.picture_weight == 2
    picture = degradation.picture(LEVELS)
    np.testing.assert_array_equal(picture[..., 0], convert(LEVELS[..., 0]))
    slope = jax.grad(lambda x: degradation.picture(x).sum())(LEVELS)
    expected = convert.transpose(jnp.ones(convert.range_shape))
    np.testing.assert_allclose(slope[0, ..., 0], expected, rtol=1e-5, atol=1e-5)


def test_baselines_keep_the_lines(drawn, simulated, key):
    measurement = simulated.measure(key, drawn)
    baselines = BeamBaselines((-60.0, 0.0))
    estimates = baselines(measurement)
    assert tuple(estimates) == baselines.names
    assert baselines.names == (*BeamBaselines((0.0, 255.0)).names, baselines.primary)
    for estimate in estimates.values():
        np.testing.assert_allclose(estimate[:, :, 1::4], drawn[:, :, 1::4], atol=1e-6)
    for one, other in itertools.pairwise(estimates.values()):
        assert float(jnp.abs(one - other).max()) > 0.01


def test_envelopes_are_interpolated_as_amplitudes():
    """Halfway between 0 dB and -20 dB is 0.55 of the amplitude."""
    levels = jnp.array([[[1.0, 2 / 3]]])
    measurement = Measurement(levels, LateralDecimation(2))
    found = BeamBaselines((-60.0, 0.0))(measurement)["Linear (envelope)"]
    expected = 1 + 20 * np.log10(0.55) / 60
    np.testing.assert_allclose(found[0, 0, :3, 0], [1, expected, 2 / 3], atol=1e-5)


def test_configurations_name_the_arrays_there_are():
    assert {name: probe.curvature > 0 for name, probe in ARRAYS.items()} == CONFIGURED


def test_variations_keep_lines_and_samples(key):
    probe = ARRAYS["linear"]
    other = varied(key, probe, deepest_mm=30.0)
    for name in ("line_mm", "curvature", "sample_mm", "aperture_mm"):
        assert getattr(other, name) == getattr(probe, name)
    assert 6 <= float(other.focus_mm) <= 27
    assert other.receive_f != probe.receive_f


def config_of(**changes):
    config = load("us_beams:quicktest")
    for name, value in changes.items():
        section, _, key = name.rpartition("__")
        config[section][key] = value
    return parse(config.to_dict())


def test_geometry_of_a_recording_makes_its_pictures():
    config = config_of(
        data__source="folder",
        data__path="somewhere",
        degradation__arrays=(),
        degradation__radii_mm=(60.0, 160.0),
        degradation__angles_deg=(-30.0, 30.0),
    )
    degradation = modality_of(config).degrade(config)
    assert degradation.probes == ()
    polar = degradation.conversion.polar
    np.testing.assert_allclose(polar.radii[[0, -1]], [60, 160])
    np.testing.assert_allclose(np.degrees(polar.angles[[0, -1]]), [-30, 30])
    assert "(-30" not in protocol_of(config).describe()
    assert protocol_of(config).id != protocol_of(config_of()).id
    assert "simulated frames (curved)" in protocol_of(config_of()).describe()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"degradation__arrays": ()}, r"degradation\.arrays = \(\): expected some for"),
        ({"degradation__arrays": ("convex",)}, r"arrays\[0\] = 'convex': expected one"),
        ({"degradation__arrays": ("linear",)}, r"pixel_mm = 0\.5: expected 0, or"),
        ({"degradation__angles_deg": (-3.0, 3.0)}, r"angles_deg .* recorded"),
        ({"degradation__pixel_mm": 0.0}, r"picture_weight = 1\.0: expected 0, or pic"),
        ({"data__window": (0.0, 255.0)}, r"window .* dB"),
        ({"data__source": "ultrasound_phantoms"}, r"arrays = .* none for any other"),
    ],
)
def test_what_does_not_go_together(changes, message):
    with pytest.raises(ConfigError, match=message):
        config_of(**changes)


@pytest.mark.parametrize("pixel_mm", [3.0, 1e-4])
def test_pictures_that_cannot_be_scored_or_held_are_refused(pixel_mm):
    config = config_of(degradation__pixel_mm=pixel_mm)
    with pytest.raises(ConfigError, match=r"pixel_mm = .* pictures of 11 pixels or mo"):
        modality_of(config).degrade(config)


def test_a_window_that_falls_is_refused():
    with pytest.raises(ValueError, match=r"window = \(0\.0, -60\.0\): expected dB tha"):
        beam_decimation(factor=4, window=(0.0, -60.0))


def test_pictures_are_learned_from(key):
    """The loss of a step grows by that of the pictures, times its weight."""
    from sisr_jax.train import steps
    from sisr_jax.train.task import Task

    config = config_of()
    degradation = modality_of(config).degrade(config)
    hr = jax.random.uniform(key, (2, *SHAPE, 1))
    found = []
    for weight in (0.0, 3.0):
        task = Task(config, dataclasses.replace(degradation, weight=weight))
        found.append(steps._image_loss(task, hr * 0.9, hr))
    (without, parts), (total, more) = found
    assert "loss/picture" not in parts
    np.testing.assert_allclose(total, without + 3 * more["loss/picture"], rtol=1e-5)


def test_levels_that_are_no_numbers_do_not_become_fluid(simulated):
    levels = LEVELS.at[0, 3, 4].set(jnp.nan)
    keys = jax.random.split(jax.random.key(0), len(levels))
    with pytest.raises(ValueError, match=r"^1 of 3072 levels of echo strength"):
        simulated.truth(keys, levels)
    frames = jax.jit(type(simulated).truth)(simulated, keys, levels)
    assert np.isnan(frames).any(axis=(1, 2, 3)).tolist() == [True, False, False]

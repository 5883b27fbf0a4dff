"""The simulator against what theory says of speckle."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import gamma

from sisr_jax.metrics import speckle_snr
from sisr_jax.ultrasound.probes import Probe, beam, field_correlation, k_shape
from sisr_jax.ultrasound.speckle import (
    displayed,
    echoes,
    interfaces,
    residual_gain,
)

CURVED = Probe(0.44, 0.26, 1 / 60, 0.3, 25.0, 4.0, 2.0, 30.0, 2.5)
LINEAR = Probe(0.2, 0.15, 0.0, 0.12, 15.0, 3.5, 1.8, 20.0, 2.5)
SHAPE, FRAMES = (96, 64), 48


@jax.jit
def simulate(key, probe, density):
    tissue, nothing = jnp.ones(SHAPE), jnp.zeros(SHAPE)
    see = functools.partial(echoes, probe=probe, scatterers_per_mm2=density)
    keys = jax.random.split(key, FRAMES)
    return jax.vmap(see, (0, None, None))(keys, tissue, nothing)


@pytest.mark.parametrize("probe", [LINEAR, CURVED], ids=["linear", "curved"])
def test_many_scatterers_make_rayleigh_speckle_of_unit_power(key, probe):
    samples = simulate(key, probe, 1e6)
    envelope = jnp.abs(samples)
    mean = np.asarray(speckle_snr(envelope, jnp.ones(SHAPE, bool))).mean()
    assert mean == pytest.approx(1.913, abs=0.02)
    by_depth = np.square(envelope).mean((0, 2))
    assert np.abs(by_depth - 1).max() < 0.15
    np.testing.assert_array_equal(samples, simulate(key, probe, 1e6))


@pytest.mark.parametrize("probe", [LINEAR, CURVED], ids=["linear", "curved"])
def test_lines_correlate_as_the_beam_says_at_every_depth(key, probe):
    samples = np.asarray(simulate(key, probe, 1e6))
    depths = probe.depths(SHAPE[0])
    power = np.square(np.abs(samples))
    for lag in (1, 2, 4):
        product = samples[..., lag:] * samples[..., :-lag].conj()
        found = np.abs(product.mean((0, 2)).reshape(6, 16).mean(1))
        expected = np.asarray(field_correlation(probe, depths, lag))
        np.testing.assert_allclose(found, expected.reshape(6, 16).mean(1), atol=0.06)
        shifted = (power[..., lag:] * power[..., :-lag]).mean((0, 2)) - 1
        squared = np.square(expected).reshape(6, 16).mean(1)
        np.testing.assert_allclose(shifted.reshape(6, 16).mean(1), squared, atol=0.15)


def test_the_focus_is_where_theory_has_it():
    """At the focus waves are flat, and widths those of the two F-numbers."""
    depths = jnp.array([5.0, 15.0, 40.0])
    found = beam(LINEAR, depths)
    sent, received = 0.5124 * 0.2 * np.array([3.5, 1.8])
    at_focus = (sent**-2 + received**-2) ** -0.5
    np.testing.assert_allclose(found.width[1], at_focus, rtol=1e-3)
    assert found.chirp[1] == 0
    assert found.chirp[0] < 0 < found.chirp[2]
    # The array is 20 mm long: at 40 mm its F-number is 2, not 1.8.
    assert found.width[2] > 0.5124 * 0.2 * 1.9
    assert np.all(found.correlation_mm <= found.width)


@pytest.mark.parametrize("density", [4.0, 10.0])
def test_few_scatterers_make_the_moments_of_a_k_distribution(key, density):
    samples = [simulate(each, CURVED, density) for each in jax.random.split(key, 3)]
    power = np.square(np.abs(np.concatenate(samples)))
    rows = slice(40, 80)
    found = np.square(power).mean((0, 2))[rows] / np.square(power.mean((0, 2))[rows])
    shapes = np.asarray(
        k_shape(CURVED, CURVED.depths(SHAPE[0]), scatterers_per_mm2=density)
    )[rows]
    assert found.mean() == pytest.approx(np.mean(2 * (1 + 1 / shapes)), rel=0.08)
    # The ratio of mean and deviation, of the distribution itself.
    shape = shapes.mean()
    mean = gamma(1.5) * gamma(shape + 0.5) / (gamma(shape) * np.sqrt(shape))
    ratio = mean / np.sqrt(1 - mean**2)
    envelope = np.sqrt(power[:, rows])
    assert envelope.mean() / envelope.std() == pytest.approx(ratio, rel=0.06)


def test_shape_is_infinite_where_every_place_is_taken():
    depths = CURVED.depths(8)
    assert np.all(np.isinf(k_shape(CURVED, depths, scatterers_per_mm2=1e6)))
    few = k_shape(CURVED, depths, scatterers_per_mm2=1.0)
    assert np.all(few < 10)


def test_a_cyst_is_dark_and_its_walls_reflect_along_the_beam(key):
    diffuse = jnp.ones(SHAPE).at[30:60, 20:44].set(0.0)
    walls = interfaces(diffuse)
    np.testing.assert_array_equal(np.flatnonzero(walls[:, 30]), [29, 59])
    assert float(walls[40].max()) == 0  # its sides do not
    see = functools.partial(echoes, probe=CURVED, scatterers_per_mm2=50.0)
    envelope = np.abs(jax.jit(see)(key, diffuse, 2 * walls))
    assert envelope[36:54, 28:36].mean() < 0.05 * envelope[70:].mean()
    assert envelope[28:31, 24:40].mean() > 2 * envelope[70:].mean()


def test_display_is_a_window_of_decibels_in_levels():
    samples = jnp.array([[1.0, 1e-1, 1e-2, 1e-9, 1e3]]).astype(jnp.complex64)
    shown = displayed(samples, reference_db=20.0, dynamic_range_db=60.0, levels=256)
    np.testing.assert_allclose(shown[0], [2 / 3, 1 / 3, 0, 0, 1], atol=1 / 255)
    np.testing.assert_allclose(shown * 255, jnp.round(shown * 255), atol=1e-4)


def test_gain_is_smooth_and_of_its_spread(key):
    gain = jax.vmap(lambda k: residual_gain(k, 65, spread_db=2.0))(
        jax.random.split(key, 400)
    )
    assert float(gain[:, 0].std()) == pytest.approx(2.0, rel=0.15)
    assert float(jnp.abs(jnp.diff(gain, axis=1)).max()) < 0.7


def test_a_sector_is_that_of_the_face():
    grid = CURVED.sector((10, 5))
    np.testing.assert_allclose(grid.radii[:2], [60.3, 60.6])
    np.testing.assert_allclose(np.diff(grid.angles), 0.26 / 60)
    pitch = np.diff(grid.angles)[0] * grid.radii
    np.testing.assert_allclose(pitch, CURVED.pitch(CURVED.depths(10)), rtol=1e-6)
    with pytest.raises(ValueError, match="curved"):
        LINEAR.sector((10, 5))

"""Widths and spectra of rows that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.metrics import lateral_spectrum, lateral_width


def blurred(key, sigma, shape=(256, 256)):
    """Gaussian noise whose rows have the autocovariance `exp(-lag^2 / 4 sigma^2)`."""
    f = jnp.fft.rfftfreq(shape[1])
    spectrum = jnp.fft.rfft(jax.random.normal(key, shape))
    response = jnp.exp(-2 * jnp.square(np.pi * sigma * f))
    return jnp.fft.irfft(spectrum * response, shape[1])


@pytest.mark.parametrize("sigma", [1.0, 2.5])
def test_width_is_that_of_the_autocovariance(key, sigma):
    image = 5 + blurred(key, sigma)
    whole = jnp.ones(image.shape, bool)
    expected = 2 * sigma * np.sqrt(4 * np.log(2))
    assert float(lateral_width(image, whole)) == pytest.approx(expected, rel=0.06)


def test_width_does_not_depend_on_what_lies_around_the_region(key):
    image = blurred(key, 1.5)
    mask = jnp.zeros(image.shape, bool).at[20:200, 30:180].set(True)
    found = lateral_width(image, mask)
    spoiled = jnp.where(mask, image, 1e3)
    np.testing.assert_allclose(lateral_width(spoiled, mask), found, rtol=1e-5)
    np.testing.assert_allclose(lateral_width(3 * image - 7, mask), found, rtol=1e-4)
    both = lateral_width(jnp.stack([image, image.T])[..., None], mask[..., None])
    np.testing.assert_allclose(both[0], found, rtol=1e-5)
    # Across the rows it is white: the first lag is below half already.
    assert float(both[1]) < 2


def test_interpolation_widens(key):
    image = blurred(key, 0.6)
    columns = jnp.arange(256.0)
    wide = jax.vmap(lambda row: jnp.interp(columns, columns[::4], row[::4]))(image)
    whole = jnp.ones(image.shape, bool)
    assert lateral_width(wide, whole) > 2 * lateral_width(image, whole)


def test_widths_that_do_not_exist():
    ramp = jnp.broadcast_to(jnp.arange(6.0)[:, None], (6, 8))
    assert jnp.isinf(lateral_width(ramp, jnp.ones((6, 8), bool)))
    constant = lateral_width(jnp.ones((6, 8)), jnp.ones((6, 8), bool))
    empty = lateral_width(ramp, jnp.zeros((6, 8), bool))
    assert jnp.isnan(jnp.stack([constant, empty])).all()


@pytest.mark.parametrize("columns", [64, 65])
def test_spectrum_of_a_wave_and_its_power(key, columns):
    x = np.arange(columns)
    wave = np.broadcast_to(np.cos(2 * np.pi * x / 8), (4, columns))
    found = lateral_spectrum(wave.astype(np.float32), column_mm=0.5)
    assert found.frequencies[np.argmax(found.values)] == pytest.approx(0.25, abs=0.02)
    noise = jax.random.normal(key, (3, 5, columns))
    rows = noise - noise.mean(-1, keepdims=True)
    windowed = rows * np.hanning(columns + 2)[1:-1]
    total = lateral_spectrum(noise, column_mm=1).values.sum(-1)
    np.testing.assert_allclose(total, jnp.square(windowed).mean((1, 2)), rtol=1e-4)


def test_spectrum_of_what_is_none():
    with pytest.raises(ValueError, match="expected 4 columns or more"):
        lateral_spectrum(np.ones((8, 3), np.float32), column_mm=1)
    with pytest.raises(ValueError, match="column_mm = 0: expected more than 0 mm"):
        lateral_spectrum(np.ones((8, 8), np.float32), column_mm=0)

"""Radial means, mean frequencies and half frequencies of curves that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.metrics import Curve, half_frequency, mean_frequency, radial_mean


def frequencies(height, width, pixel_mm):
    rows = np.fft.fftfreq(height, pixel_mm)[:, None]
    return np.hypot(rows, np.fft.fftfreq(width, pixel_mm))


@pytest.mark.parametrize("shape", [(64, 64), (48, 65)])
def test_radial_mean_of_a_function_of_the_frequency(shape):
    f = frequencies(*shape, 0.7)
    found = radial_mean(np.stack([f, 3 * f]), pixel_mm=0.7, num_bins=16)
    # Linear in f: the mean of a bin is the value at its mean frequency.
    np.testing.assert_allclose(found.values[0], found.frequencies, rtol=1e-5)
    np.testing.assert_allclose(found.values[1], 3 * found.frequencies, rtol=1e-5)
    width = 1 / (2 * 0.7) / 16
    assert (np.abs(found.frequencies / width - np.arange(16) - 0.5) < 0.5).all()


def test_radial_mean_leaves_out_zero_and_the_corners():
    f = frequencies(32, 32, 1.0)
    spectrum = np.where((f == 0) | (f > 0.5 + 1e-9), 1e9, 1.0).astype(np.float32)
    np.testing.assert_allclose(
        radial_mean(spectrum, pixel_mm=1, num_bins=8).values, 1.0, rtol=1e-6
    )
    # The Nyquist frequency itself belongs to the last bin.
    spectrum = (np.abs(f - 0.5) < 1e-9).astype(np.float32)
    assert radial_mean(spectrum, pixel_mm=1, num_bins=8).values[-1] > 0


def test_radial_mean_of_complex_samples_and_under_jit():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 32, 32)).astype(np.float32)
    found = jax.jit(lambda x: radial_mean(x, pixel_mm=2, num_bins=8))(a + 1j * b)
    for part, values in ((a, found.values.real), (b, found.values.imag)):
        expected = radial_mean(part, pixel_mm=2, num_bins=8).values
        np.testing.assert_allclose(values, expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16])
def test_radial_mean_of_short_numbers_does_not_overflow(dtype):
    spectrum = np.full((64, 64), 200).astype(dtype)
    found = radial_mean(spectrum, pixel_mm=1, num_bins=4)
    np.testing.assert_allclose(found.values, float(spectrum[0, 0]), rtol=1e-6)


@pytest.mark.parametrize("bins", [0, 40])
def test_bins_without_a_sample(bins):
    with pytest.raises(ValueError, match=f"num_bins = {bins}: expected 1 or more"):
        radial_mean(np.ones((16, 16), np.float32), pixel_mm=1, num_bins=bins)
    for half in (4, 5, 16, 33):
        shape = np.ones((2 * half, 3 * half), np.float32)
        radial_mean(shape, pixel_mm=1, num_bins=half)


@pytest.mark.parametrize("pixel_mm", [0, -1.0, float("nan"), float("inf")])
def test_a_pixel_without_a_width(pixel_mm):
    with pytest.raises(ValueError, match=r"pixel_mm = .*: expected more than 0 mm"):
        radial_mean(np.ones((16, 16), np.float32), pixel_mm=pixel_mm, num_bins=4)


def test_mean_frequency():
    f = jnp.linspace(0.05, 0.95, 10)
    power = jnp.stack([jnp.ones(10), jnp.zeros(10).at[3].set(7), jnp.zeros(10)])
    found = mean_frequency(Curve(f, power))
    np.testing.assert_allclose(found[:2], [0.5, 0.35], rtol=1e-5)
    assert np.isnan(found[2])


def test_half_frequency_between_samples():
    f = jnp.asarray([0.0, 0.1, 0.2, 0.3])
    values = [
        [1.0, 0.8, 0.4, 0.7],  # the first fall, not the last
        [1.0, 0.9, 0.8, 0.7],
        [0.4, 0.3, 0.2, 0.1],
        [1.0, float("nan"), 0.2, 0.1],
    ]
    found = np.asarray(half_frequency(Curve(f, jnp.asarray(values))))
    assert found[0] == pytest.approx(0.175)
    assert found[1] == np.inf
    assert np.isnan(found[2:]).all()
    assert half_frequency(Curve(f, jnp.asarray(values[0]))) == pytest.approx(0.175)

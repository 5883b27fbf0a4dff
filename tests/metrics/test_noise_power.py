"""Noise whose spectrum, variance or bias is known."""

import jax
import numpy as np
import pytest

from sisr_jax.metrics import noise_power_spectrum, radial_mean, regional_bias


def white(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def surface(size, coefficients):
    y, x = np.mgrid[:size, :size] / size
    terms = (1, x, y, x * x, x * y, y * y)
    return sum(c * t for c, t in zip(coefficients, terms, strict=True))


@pytest.mark.parametrize("degree", [0, 1, 2])
@pytest.mark.parametrize("shape", [(5, 32, 32), (2, 3, 24, 41)])
def test_the_integral_is_the_variance(shape, degree):
    regions, pixel_mm = 1000 + 7 * white(shape), 0.6
    found = noise_power_spectrum(regions, pixel_mm=pixel_mm, degree=degree)
    *batch, _, height, width = shape
    assert found.shape == (*batch, height, width)
    area = 1 / (height * width * pixel_mm**2)
    rows, columns = np.mgrid[:height, :width].reshape(2, -1) / 10.0
    terms = [
        rows**i * columns**j for i in range(3) for j in range(3) if i + j <= degree
    ]
    basis = np.linalg.qr(np.stack(terms, -1))[0]
    flat = regions.reshape(*shape[:-2], -1).astype(np.float64)
    left = flat - flat @ basis @ basis.T
    expected = (left**2).mean((-2, -1))
    np.testing.assert_allclose(found.sum((-2, -1)) * area, expected, rtol=1e-4)


def test_white_noise_is_flat():
    # sigma^2 pixel^2 everywhere; a polynomial takes 6 of 1024 degrees of freedom.
    regions = 20 * white((2000, 32, 32))
    found = noise_power_spectrum(regions, pixel_mm=0.5)
    curve = radial_mean(found, pixel_mm=0.5, num_bins=8)
    # Of 2000 exponential values at each of 24 frequencies of the fewest, 4 deviations.
    np.testing.assert_allclose(curve.values[1:], 400 * 0.25, rtol=4 / np.sqrt(48000))
    assert curve.values[0] < 400 * 0.25


def test_coloured_noise_has_the_spectrum_of_its_filter():
    # White noise blurred by a periodic Gaussian: sigma^2 exp(-4 pi^2 s^2 f^2) pixel^2.
    size, blur, pixel_mm = 64, 1.2, 0.8
    f = np.fft.fftfreq(size)
    squared = f[:, None] ** 2 + f**2
    gain = np.exp(-2 * np.pi**2 * blur**2 * squared)
    field = np.fft.ifft2(np.fft.fft2(10 * white((600, size, size))) * gain).real
    found = noise_power_spectrum(field, pixel_mm=pixel_mm, degree=0)
    expected = radial_mean(100 * pixel_mm**2 * gain**2, pixel_mm=pixel_mm, num_bins=16)
    curve = radial_mean(found, pixel_mm=pixel_mm, num_bins=16)
    np.testing.assert_allclose(curve.frequencies, expected.frequencies)
    # The first bin has 12 frequencies, in pairs, of 600 regions.
    np.testing.assert_allclose(curve.values, expected.values, rtol=4 / np.sqrt(3600))


def test_slow_changes_are_no_noise():
    noise = white((4, 32, 32))
    curved = noise + surface(32, [900, 80, -60, 300, 200, -100])
    expected = noise_power_spectrum(noise, pixel_mm=1)
    found = noise_power_spectrum(curved.astype(np.float32), pixel_mm=1)
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-3)
    plane = noise_power_spectrum(curved.astype(np.float32), pixel_mm=1, degree=1)
    assert plane.sum() > 10 * expected.sum()


def test_whole_numbers_and_jit():
    regions = np.random.default_rng(0).integers(0, 255, (3, 16, 16), np.uint8)
    found = jax.jit(lambda x: noise_power_spectrum(x, pixel_mm=1))(regions)
    assert found.dtype == np.float32
    expected = noise_power_spectrum(regions.astype(np.float32), pixel_mm=1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("degree", [-1, 8])
def test_degrees_that_do_not_fit(degree):
    with pytest.raises(ValueError, match=f"degree = {degree}: expected at least 0"):
        noise_power_spectrum(white((2, 8, 9)), pixel_mm=1, degree=degree)


def test_bias_and_its_standard_error():
    # The spread of 4000 estimates is the standard error that they report.
    trials, regions, between, within = 4000, 9, 3.0, 10.0
    offsets = 5 + between * white((trials, regions, 1, 1))
    images = 40 + offsets + within * white((trials, regions, 8, 8), 1)
    found = regional_bias(images, np.full_like(images, 40.0))
    np.testing.assert_allclose(found.mean.mean(), 5, atol=0.1)
    expected = np.sqrt((between**2 + within**2 / 64) / regions)
    np.testing.assert_allclose(found.mean.std(), expected, rtol=0.05)
    mean_square = np.mean(np.square(found.standard_error))
    np.testing.assert_allclose(np.sqrt(mean_square), expected, rtol=0.05)


def test_bias_of_one_region_has_no_error_and_of_other_shapes_no_meaning():
    found = regional_bias(white((1, 4, 4)) * 0 + 7, np.zeros((1, 4, 4), np.float32))
    assert found.mean == 7
    assert np.isnan(found.standard_error)
    with pytest.raises(
        ValueError, match=r"regions \(1, 4, 4\), references \(2, 4, 4\)"
    ):
        regional_bias(white((1, 4, 4)), white((2, 4, 4)))

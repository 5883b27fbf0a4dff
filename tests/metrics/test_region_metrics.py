import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.metrics import gcnr, speckle_snr

SHAPE = (2, 60, 80, 1)


def halves():
    """Left and right half of every image."""
    left = np.zeros(SHAPE, bool)
    left[:, :, :40] = True
    return left, ~left


def test_speckle_of_a_rayleigh_envelope():
    generator = np.random.default_rng(0)
    envelope = generator.rayleigh(size=(2, 300, 400, 1)).astype(np.float32)
    mask = np.ones((300, 400, 1), bool)
    snr = speckle_snr(envelope, mask)
    np.testing.assert_allclose(snr, math.sqrt(math.pi / (4 - math.pi)), rtol=5e-3)
    np.testing.assert_allclose(speckle_snr(7e4 * envelope, mask), snr, rtol=1e-5)


def test_speckle_equals_numpy_in_the_region():
    image = np.random.default_rng(0).random(SHAPE).astype(np.float32) + 100
    mask = np.random.default_rng(1).random(SHAPE) < 0.2
    expected = [
        x[m].mean(dtype=float) / x[m].std(dtype=float)
        for x, m in zip(image, mask, strict=True)
    ]
    for found in (speckle_snr(image, mask), jax.jit(speckle_snr)(image, mask)):
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(speckle_snr(image[1], mask[1]), expected[1], rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.3, 0.5, 1e3 / 3])
def test_speckle_of_constant_and_empty_regions(value):
    mask = np.ones(SHAPE, bool)
    mask[1] = False
    snr = speckle_snr(np.full(SHAPE, value, np.float32), mask)
    assert snr[0] == np.inf
    assert np.isnan(snr[1])


def test_speckle_ignores_what_is_not_in_the_region():
    image = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    image[1] = 0.3  # constant
    mask = np.random.default_rng(1).random(SHAPE) < 0.2
    expected = speckle_snr(image, mask)
    assert expected[1] == np.inf
    image[~mask] = np.nan
    np.testing.assert_array_equal(speckle_snr(image, mask), expected)
    gradient = jax.grad(lambda x: speckle_snr(x, mask)[0])(jnp.asarray(image))
    assert gradient[0][mask[0]].all()
    assert not gradient[~mask].any()


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 0.9, 1.0, 3.0])
def test_gcnr_of_shifted_uniform_distributions(shift):
    # Uniform on [0, 1] and on [shift, 1 + shift] overlap by 1 - shift.
    left, right = halves()
    even = (np.arange(60 * 40) + 0.5) / (60 * 40)
    image = np.zeros((60, 80, 1), np.float32)
    image[left[0]] = even
    image[right[0]] = even[::-1] + shift
    found = gcnr(image, left[0], right[0], bins=100)
    np.testing.assert_allclose(found, min(shift, 1), atol=0.02)


@pytest.mark.parametrize("distance", [0.5, 1.0, 3.0])
def test_gcnr_of_normal_distributions(distance):
    # Equal deviations overlap by 2 Phi(-distance / 2).
    generator = np.random.default_rng(0)
    image = generator.standard_normal((400, 800, 1)).astype(np.float32)
    inside = np.zeros((400, 800, 1), bool)
    inside[:, :400] = True
    image[inside] += distance
    expected = math.erf(distance / 2 / math.sqrt(2))
    np.testing.assert_allclose(gcnr(image, inside, ~inside), expected, atol=0.01)


def test_gcnr_of_rayleigh_envelopes():
    # Of two Rayleigh envelopes with variances 1 : k, the densities cross where
    # r^2 = 2 ln(k) / (1 - 1 / k), and the distributions differ there by 1 - OVL.
    generator = np.random.default_rng(0)
    ratio = 8.0
    envelope = generator.rayleigh(size=(400, 800, 1))
    inside = np.zeros((400, 800, 1), bool)
    inside[:, :400] = True
    envelope[inside] *= math.sqrt(ratio)
    crossing = math.log(ratio) / (1 - 1 / ratio)
    expected = math.exp(-crossing / ratio) - math.exp(-crossing)
    decibels = 20 * np.log10(envelope + 1e-6)
    for image, tolerance in [(envelope, 0.01), (decibels, 0.02)]:
        found = gcnr(image.astype(np.float32), inside, ~inside, bins=200)
        np.testing.assert_allclose(found, expected, atol=tolerance)


def test_gcnr_equals_numpy_histograms():
    generator = np.random.default_rng(0)
    image = generator.random(SHAPE).astype(np.float32)
    inside, outside = generator.random((2, *SHAPE)) < 0.2
    expected = []
    for x, i, o in zip(image, inside, outside, strict=True):
        edges = np.histogram_bin_edges(x[i | o], 16)
        shares = [np.histogram(x[m], edges)[0] / m.sum() for m in (i, o)]
        expected.append(1 - np.minimum(*shares).sum())
    found = gcnr(image, inside, outside, bins=16)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    jitted = jax.jit(gcnr, static_argnames="bins")(image, inside, outside, bins=16)
    np.testing.assert_allclose(jitted, found, atol=1e-6)
    mapped = jax.vmap(lambda *one: gcnr(*one, bins=16))(image, inside, outside)
    np.testing.assert_allclose(mapped, found, atol=1e-6)
    one = gcnr(image[1], inside[1], outside[1], bins=16)
    np.testing.assert_allclose(one, found[1], atol=1e-6)


def test_gcnr_ignores_what_is_in_neither_region():
    left, right = halves()
    left[:, 50:] = False
    image = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    found = gcnr(image, left, right)
    image[:, 50:, :40] = np.nan
    np.testing.assert_array_equal(gcnr(image, left, right), found)
    assert np.isfinite(found).all()


def test_gcnr_counts_the_largest_value():
    image = np.array([0, 1, 1, 1], np.float32).reshape(2, 2, 1)
    top = np.array([True, True, False, False]).reshape(2, 2, 1)
    np.testing.assert_array_equal(gcnr(image, top, ~top, bins=2), 0.5)


def test_gcnr_bias_of_few_pixels():
    images = np.random.default_rng(0).random((20, 40, 100, 1)).astype(np.float32)
    inside = np.zeros((40, 100, 1), bool)
    inside[:, :50] = True
    found = gcnr(images, inside, ~inside, bins=100).mean()
    np.testing.assert_allclose(found, math.sqrt(100 / (math.pi * 2000)), rtol=0.1)


def test_gcnr_of_regions_without_an_answer():
    left, right = halves()
    image = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    constant = np.ones(SHAPE, np.float32)
    np.testing.assert_array_equal(gcnr(constant, left, right), 0)
    assert np.isnan(gcnr(image, left & False, right)).all()
    assert np.isnan(gcnr(image, left, right & False)).all()
    for bad in (np.nan, -np.inf):
        image[1, 3, 3] = bad
        assert np.isnan(gcnr(image, left, right)).tolist() == [False, True]


def test_planes_need_no_axis_of_channels():
    left, right = halves()
    image = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    np.testing.assert_array_equal(
        gcnr(image[..., 0], left[..., 0], right[..., 0]), gcnr(image, left, right)
    )
    np.testing.assert_array_equal(
        speckle_snr(image[..., 0], left[..., 0]), speckle_snr(image, left)
    )


def test_impossible_bins():
    left, right = halves()
    with pytest.raises(ValueError, match="bins = 1: expected at least 2"):
        gcnr(jnp.zeros(SHAPE), left, right, bins=1)

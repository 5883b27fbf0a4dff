import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import convolve2d

from sisr_jax.metrics import ms_ssim, ssim

# Odd from the first scale on, and one shape for all tests: it is compiled once.
SHAPE = (2, 161, 178, 2)


def pair_of(noise=0.1):
    """Rough and smooth structure, and a noisy copy of it."""
    generator = np.random.default_rng(0)
    waves = np.sin(np.arange(161) / 9)[:, None] * np.cos(np.arange(178) / 23)
    a = 0.5 + 0.3 * waves[..., None] + 0.1 * generator.standard_normal(SHAPE)
    b = 0.9 * a + noise * generator.standard_normal(SHAPE)
    return a.astype(np.float32), b.astype(np.float32)


def reference(a, b, data_range=1.0):
    """Means over the channels of each image."""
    return [
        np.mean([plane_reference(x[..., i], y[..., i], data_range) for i in range(2)])
        for x, y in zip(a, b, strict=True)
    ]


def plane_reference(a, b, data_range):
    """The paper's formula in float64 for one plane, term by term."""
    x = np.arange(-5, 6)
    window = np.exp(-(x[:, None] ** 2 + x**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    a, b = a.astype(np.float64), b.astype(np.float64)
    product = 1.0
    for scale, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):

        def local(plane):
            return convolve2d(plane, window, mode="valid")

        mean_a, mean_b = local(a), local(b)
        variance_a = local(a * a) - mean_a**2
        variance_b = local(b * b) - mean_b**2
        covariance = local(a * b) - mean_a * mean_b
        term = (2 * covariance + c2) / (variance_a + variance_b + c2)
        if scale == 4:
            term *= (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        product *= max(term.mean(), 0.0) ** weight
        a, b = halved(a), halved(b)
    return product


def halved(plane):
    rows = plane[np.minimum(np.arange(plane.shape[0] + 1), plane.shape[0] - 1)]
    wide = rows[:, np.minimum(np.arange(plane.shape[1] + 1), plane.shape[1] - 1)]
    mean = (wide[:-1, :-1] + wide[1:, :-1] + wide[:-1, 1:] + wide[1:, 1:]) / 4
    return mean[::2, ::2]


@pytest.mark.parametrize("noise", [0.003, 0.1, 1.0])
def test_equals_the_formula(noise):
    a, b = pair_of(noise)
    expected = reference(a, b)
    assert 0.1 < expected[0] < 0.9999
    np.testing.assert_allclose(ms_ssim(a, b), expected, atol=2e-6)


def test_scales_with_the_data_range():
    a, b = pair_of()
    whole = ms_ssim(a, b)
    np.testing.assert_allclose(
        ms_ssim(255 * a, 255 * b, data_range=255.0), whole, atol=1e-5
    )
    expected = reference(a, b, 255.0)
    np.testing.assert_allclose(ms_ssim(a, b, data_range=255.0), expected, atol=2e-6)
    assert abs(np.subtract(expected, whole)).min() > 1e-3


def test_looks_at_coarser_scales_than_ssim():
    # Noise of single pixels fades from scale to scale.
    a, b = pair_of()
    assert (ms_ssim(a, b) > ssim(a, b) + 0.05).all()


def test_equal_and_opposite_images():
    a = pair_of()[0]
    np.testing.assert_array_equal(ms_ssim(a, a), 1.0)
    np.testing.assert_array_equal(ms_ssim(a - 0.5, 0.5 - a), 0.0)


@pytest.mark.slow
def test_gradient_is_the_slope_and_finite():
    gradient = jax.jit(jax.grad(lambda a, b: ms_ssim(a, b).sum()))
    a, b = pair_of()
    direction = np.asarray(jax.random.normal(jax.random.key(1), a.shape))
    step = 1e-2
    finite = ms_ssim(a + step * direction, b) - ms_ssim(a - step * direction, b)
    slope = np.vdot(gradient(a, b), direction)
    np.testing.assert_allclose(slope, finite.sum() / (2 * step), rtol=2e-2)
    assert jnp.isfinite(gradient(a, a)).all()
    assert not gradient(a - 0.5, 0.5 - a).any()


@pytest.mark.parametrize("shape", [(160, 200, 1), (200, 160, 1)])
def test_image_without_five_scales_is_refused(shape):
    image = jnp.zeros(shape)
    with pytest.raises(ValueError, match="MS-SSIM needs at least 161 x 161"):
        ms_ssim(image, image)

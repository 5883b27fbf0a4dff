"""Transfer functions of discs and images that were blurred by a known Gaussian."""

import jax
import numpy as np
import pytest
from scipy import stats

from sisr_jax.metrics import edge_response, spectral_transfer

PIXEL = 0.7
# Where exp(-2 pi^2 s^2 f^2) is a half, times s.
HALF = np.sqrt(np.log(2) / 2) / np.pi


def gaussian(f, blur_mm):
    return np.exp(-2 * np.pi**2 * blur_mm**2 * f**2)


def disc(blur, *, size=96, centre=(47.3, 48.6), radius=24.0):
    """A disc of 1 under a Gaussian, at points: how likely a random step ends in it."""
    rows, columns = np.mgrid[:size, :size]
    distance = np.hypot(rows - centre[0], columns - centre[1])
    shares = stats.ncx2.cdf((radius / blur) ** 2, 2, (distance / blur) ** 2)
    return shares.astype(np.float32)


def response(image, **changes):
    options = {"centre": (47.3, 48.6), "radius": 24.0, "reach": 10.0}
    return edge_response(image, **(options | changes), pixel_mm=PIXEL)


@pytest.mark.parametrize("blur", [0.6, 1.0, 2.0])
def test_a_blurred_disc_has_the_transfer_of_its_blur(blur):
    found = response(300 * disc(blur) - 1000)
    expected = gaussian(np.asarray(found.frequencies), blur * PIXEL)
    assert found.frequencies[0] == 0
    assert found.frequencies[-1] == pytest.approx(1 / PIXEL)
    difference = np.abs(found.transfer - expected)
    assert difference[found.frequencies <= 0.5 / PIXEL].max() < 0.01
    assert difference.max() < 0.03
    np.testing.assert_allclose(found.f50, HALF / (blur * PIXEL), rtol=0.01)


def test_rings_are_as_wide_as_one_likes():
    for oversampling in (4, 10):
        found = response(disc(1.0), oversampling=oversampling)
        np.testing.assert_allclose(found.f50, HALF / PIXEL, rtol=0.01)


def test_contrast_sign_batch_and_jit_do_not_matter():
    images = np.stack([disc(1.0), 20 - 5 * disc(1.0), disc(1.7)])
    found = jax.jit(response)(images)
    np.testing.assert_allclose(found.transfer[0], found.transfer[1], atol=1e-4)
    np.testing.assert_allclose(found.f50[2], HALF / (1.7 * PIXEL), rtol=0.01)
    np.testing.assert_allclose(
        response(images[2]).transfer, found.transfer[2], atol=1e-5
    )


def test_noise_averages_out():
    noise = np.random.default_rng(0).standard_normal((100, 96, 96)).astype(np.float32)
    found = response((disc(1.5) + 0.3 * noise).mean(0))
    np.testing.assert_allclose(found.f50, HALF / (1.5 * PIXEL), rtol=0.05)


def test_an_image_without_an_edge():
    assert np.isnan(response(np.ones((96, 96), np.float32)).f50)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radius": 40.0}, "expected inside the image of 96 x 96"),
        ({"centre": (10, 48)}, r"centre = \(10, 48\)"),
        ({"reach": 30.0}, "expected 0 < reach < radius"),
        ({"radius": 2.0, "reach": 1.9}, "each with a pixel"),
    ],
)
def test_edges_that_cannot_be_measured(changes, message):
    with pytest.raises(ValueError, match=message):
        response(disc(1.0), **changes)


def textures(count, size=128):
    """Random fields of falling power, as images have."""
    rng = np.random.default_rng(0)
    f = np.fft.fftfreq(size)
    power = 1 / (0.02 + np.hypot(f[:, None], f))
    white = np.fft.fft2(rng.standard_normal((count, size, size)))
    return np.fft.ifft2(white * power).real.astype(np.float32)


def blurred(images, blur):
    f = np.fft.fftfreq(images.shape[-1])
    gain = gaussian(f[:, None], blur) * gaussian(f, blur)
    return np.fft.ifft2(np.fft.fft2(images) * gain).real.astype(np.float32)


def transfer(images, references, bins=32):
    return spectral_transfer(images, references, pixel_mm=PIXEL, num_bins=bins)


def test_a_blurred_image_has_the_transfer_of_its_blur():
    images = textures(20)
    noise = np.random.default_rng(1).standard_normal(images.shape).astype(np.float32)
    found = transfer(40 + blurred(images, 1.2) + noise, images)
    expected = gaussian(np.asarray(found.frequencies), 1.2 * PIXEL)
    # The window mixes neighbours: 2 of 64 rows, over which the gain changes by 3 %.
    np.testing.assert_allclose(found.transfer, expected, atol=0.03)
    np.testing.assert_allclose(found.f50, HALF / (1.2 * PIXEL), rtol=0.02)


def test_the_image_itself_has_kept_everything_and_noise_nothing():
    images = textures(4)
    np.testing.assert_allclose(transfer(images, images).transfer, 1.0, rtol=1e-5)
    assert transfer(images, images).f50 == np.inf
    np.testing.assert_allclose(transfer(0.5 * images, images).transfer, 0.5, rtol=1e-5)
    others = np.random.default_rng(1).standard_normal(images.shape).astype(np.float32)
    assert (np.asarray(transfer(others, images).transfer)[4:] < 0.1).all()


def test_noise_of_the_reference_counts_as_structure():
    clean = blurred(textures(10), 1.5)
    noise = np.random.default_rng(1).standard_normal(clean.shape).astype(np.float32)
    found = transfer(clean, clean + 5 * noise)
    assert found.transfer[-1] < 0.1 < 0.9 < found.transfer[0]


def test_batches_of_series():
    images = textures(6, 64).reshape(2, 3, 64, 64)
    found = jax.jit(transfer)(blurred(images, 1.0), images)
    for i in range(2):
        one = transfer(blurred(images[i], 1.0), images[i])
        np.testing.assert_allclose(
            one.transfer, found.transfer[i], rtol=1e-4, atol=1e-6
        )
    assert np.isnan(transfer(images * 0, images * 0).f50).all()
    with pytest.raises(ValueError, match="expected equal shapes"):
        transfer(images, images[0])

"""Observers of signals in noise for whom the ideal detectability is known."""

import jax
import numpy as np
import pytest

from sisr_jax.metrics import hotelling_detectability, laguerre_gauss_channels

SHAPE = (17, 17)
CHANNELS = laguerre_gauss_channels(SHAPE, num_channels=5, width=9.0)


def signal(d_prime, sigma=1.0):
    """Within the span of the channels: `d' = |s| / sigma` in white noise."""
    s = np.tensordot([1.0, -0.6, 0.4, 0.0, 0.2], np.asarray(CHANNELS), 1)
    return (d_prime * sigma * s / np.linalg.norm(s)).astype(np.float32)


def white(shape, seed=0):
    return np.random.default_rng(seed).standard_normal((*shape, *SHAPE), np.float32)


def detect(present, absent, channels=CHANNELS):
    return hotelling_detectability(present, absent, channels=channels)


def test_channels_are_round_orthogonal_and_of_unit_norm():
    channels = np.asarray(laguerre_gauss_channels((65, 65), num_channels=5, width=14.0))
    # Orthogonal in the plane, of which the sum over pixels is the integral.
    products = np.einsum("ihw,jhw->ij", channels, channels)
    np.testing.assert_allclose(products, np.eye(5), atol=1e-3)
    np.testing.assert_allclose(channels, channels.swapaxes(1, 2), atol=1e-7)
    np.testing.assert_allclose(channels, channels[:, ::-1], atol=1e-7)
    r2 = (np.arange(65) - 32.0) ** 2
    deviation = 14.0 / np.sqrt(2 * np.pi)
    expected = np.exp(-(r2[:, None] + r2) / (2 * deviation**2))
    np.testing.assert_allclose(channels[0] / channels[0].max(), expected, atol=1e-6)
    # L_2(x) = 1 - 2 x + x^2 / 2 changes its sign twice along the radius.
    line = channels[2, 32, 32:]
    assert (np.diff(np.sign(line[np.abs(line) > 1e-4])) != 0).sum() == 2


@pytest.mark.parametrize("d_prime", [0.7, 2.0, 5.0])
def test_white_noise_gives_the_analytic_value(d_prime):
    sigma = 12.0
    absent = 1000 + sigma * white((4000,))
    present = 1000 + sigma * white((4000,), 1) + signal(d_prime, sigma)
    found = detect(present, absent)
    assert found.standard_error < 0.05 * d_prime
    assert abs(found.d_prime - d_prime) < 3 * found.standard_error


def test_coloured_noise_is_whitened():
    # Noise of different strength in each channel and no more channels than pixels: the
    # template divides by it.
    rng = np.random.default_rng(0)
    loads = np.linalg.qr(np.asarray(CHANNELS).reshape(5, -1).T)[0].T
    strength = np.array([5.0, 1.0, 0.5, 2.0, 3.0])
    amounts = np.array([4.0, 1.0, 0.3, 0.0, 1.0])

    def draw(seen):
        outputs = strength * rng.standard_normal((6000, 5)) + seen * amounts
        return (outputs @ loads).reshape(-1, *SHAPE).astype(np.float32)

    expected = np.sqrt(((amounts / strength) ** 2).sum())
    found = detect(draw(True), draw(False))
    assert abs(found.d_prime - expected) < 3 * found.standard_error
    assert found.standard_error < 0.03 * expected


@pytest.mark.parametrize(("n", "m"), [(10, 10), (8, 20)])
def test_few_samples_have_no_bias_and_the_error_that_is_told(n, m):
    trials, d_prime = 4000, 3.0
    found = detect(white((trials, n)) + signal(d_prime), white((trials, m), 1))
    squared = np.square(np.asarray(found.d_prime, np.float64))
    error = squared.std() / np.sqrt(trials)
    assert abs(squared.mean() - d_prime**2) < 3 * error
    # Not corrected, it would be v / (v - p - 1) times as large, and more.
    freedom = n + m - 2
    assert error < 0.1 * d_prime**2 * (freedom / (freedom - 6) - 1)
    told = 2 * found.d_prime * found.standard_error
    spread = np.sqrt(np.mean(np.square(told)))
    np.testing.assert_allclose(spread, squared.std(), rtol=0.3)


def test_no_signal_is_not_detected():
    found = detect(white((50, 30)), white((50, 30), 1))
    assert (found.d_prime >= 0).all()
    assert (found.d_prime == 0).any()
    assert np.mean(found.d_prime) < 0.5
    assert np.isinf(found.standard_error[found.d_prime == 0]).all()


def test_what_no_channel_sees_is_not_detected():
    s = white(())
    span = np.linalg.qr(np.asarray(CHANNELS).reshape(5, -1).T)[0]
    s -= (span @ (span.T @ s.ravel())).reshape(SHAPE)
    assert detect(white((500,)) + 5 * s, white((500,), 1)).d_prime < 0.4


def test_scales_batches_and_jit():
    present, absent = white((2, 40)) + signal(2.0), white((2, 30), 1)
    found = detect(present, absent)
    scaled = jax.jit(detect)(300 * present, 300 * absent, 7 * CHANNELS)
    np.testing.assert_allclose(scaled.d_prime, found.d_prime, rtol=1e-3)
    one = detect(present[1], absent[1])
    np.testing.assert_allclose(one.d_prime, found.d_prime[1], rtol=1e-4)
    np.testing.assert_allclose(one.standard_error, found.standard_error[1], rtol=1e-4)


def test_samples_that_are_too_few_or_do_not_fit():
    with pytest.raises(
        ValueError, match=r"5 and 5 samples for 5 channels: .* 11 in all"
    ):
        detect(white((5,)), white((5,)))
    detect(white((6,)), white((5,)))
    with pytest.raises(ValueError, match="expected equal heights and widths"):
        detect(white((9,))[..., :-1], white((9,)))
    with pytest.raises(ValueError, match="num_channels = 0"):
        laguerre_gauss_channels(SHAPE, num_channels=0, width=3)

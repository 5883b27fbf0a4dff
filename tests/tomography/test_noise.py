import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.tomography.noise import (
    WATER_PER_MM,
    attenuation_from_hu,
    hu_from_attenuation,
    low_dose,
)


@pytest.mark.parametrize("photons", [1e5, 1e6, 3e7, 1e9, 1e12])
def test_many_photons_have_the_same_law(key, photons):
    """Of whatever number: a generator of counts may be of 32 bits."""
    noisy = np.asarray(low_dose(key, jnp.full(200_000, 0.5), photons=photons))
    error = noisy.astype(np.float64) - 0.5
    deviation = (photons * np.exp(-0.5)) ** -0.5
    digits = 1e-7  # of float32
    assert abs(error.mean()) < 4 * deviation / np.sqrt(2e5) + digits
    assert error.std() == pytest.approx(deviation, rel=0.01, abs=digits)
    tails = np.mean(np.abs(error) > 2 * deviation + digits)
    assert photons > 1e10 or tails == pytest.approx(0.0455, abs=0.003)


@pytest.mark.parametrize("photons", [0.0, -1.0, np.nan, np.inf])
def test_impossible_photons(key, photons):
    with pytest.raises(ValueError, match=f"photons = {photons}"):
        low_dose(key, jnp.zeros(3), photons=photons)


def test_noise_is_continuous_where_the_law_changes(key):
    """Just below and just above the number of counts that are drawn as normal."""
    spread = [
        float(
            jnp.std(
                low_dose(key, jnp.zeros(200_000), photons=p, electronic_noise=200.0)
            )
        )
        for p in (0.999e5, 1.001e5)
    ]
    assert spread[0] == pytest.approx(spread[1], rel=0.01)


@pytest.mark.parametrize("thickness", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("electronic_noise", [0.0, 30.0])
def test_noise_has_the_variance_of_its_counts(key, thickness, electronic_noise):
    """For many counts n the logarithm has the variance (n + electronics^2) / n^2."""
    photons = 2e4
    rays = jnp.full(200_000, thickness)
    noisy = np.asarray(
        low_dose(key, rays, photons=photons, electronic_noise=electronic_noise)
    )
    counts = photons * np.exp(-thickness)
    variance = (counts + electronic_noise**2) / counts**2
    mean = thickness + variance / 2  # the logarithm is concave
    assert noisy.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / 2e5))
    assert noisy.var() == pytest.approx(variance, rel=0.02)


def test_no_photon_is_not_infinite(key):
    noisy = low_dose(key, jnp.full(50, 100.0), photons=1000.0, electronic_noise=5.0)
    assert np.isfinite(noisy).all()
    assert np.max(noisy) == pytest.approx(np.log(1000 / 0.5))


def test_another_key_is_other_noise_and_the_same_key_the_same(key):
    rays = jnp.ones(100)
    first, again = (low_dose(key, rays, photons=1e4) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, low_dose(jax.random.key(9), rays, photons=1e4))


def test_water_and_air():
    hu = jnp.asarray([-1024.0, -1000.0, 0.0, 1000.0])
    attenuation = attenuation_from_hu(hu, pixel_mm=0.5)
    expected = np.array([0, 0, 0.5, 1.0]) * WATER_PER_MM
    np.testing.assert_allclose(attenuation, expected, atol=1e-9)
    np.testing.assert_allclose(
        hu_from_attenuation(attenuation, pixel_mm=0.5)[1:], hu[1:], atol=1e-3
    )


@pytest.mark.parametrize(("photons", "electronic"), [(0.0, 0.0), (1e4, -1.0)])
def test_impossible_doses(key, photons, electronic):
    with pytest.raises(ValueError, match="expected photons > 0"):
        low_dose(key, jnp.ones(3), photons=photons, electronic_noise=electronic)

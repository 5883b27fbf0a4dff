"""Sparse-view CT with a fan beam against the operator by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.degradation import LowDose, sparse_view_fan_ct
from sisr_jax.tomography import FanBeam, FanBeamCT
from sisr_jax.tomography.noise import WATER_PER_MM, low_dose

SIZE = 24
# The field of view of a whole body in few pixels.
FAN = FanBeam(
    size=SIZE,
    pixel_mm=15.0,
    source_to_origin_mm=595.0,
    source_to_detector_mm=1085.6,
    num_detectors=35,
    detector_pitch_mm=27.0,
    detector="arc",
    angles=np.arange(48) * 2 * np.pi / 48,
)


@pytest.fixture
def hr(key):
    return jax.random.uniform(key, (4, SIZE, SIZE, 1))


def test_measures_and_estimates_by_the_operator(key, hr):
    """In mm; only the kept views are projected."""
    degrade = sparse_view_fan_ct(FAN.every(4), filter_name="hann")
    values, operator = degrade.measure(key, hr)
    every = FanBeamCT(FAN)(hr[..., 0])
    assert values.shape == (4, 12, 35)
    np.testing.assert_allclose(values, every[:, ::4], rtol=1e-5, atol=1e-3)
    through = FanBeamCT(FAN)(jnp.ones((SIZE, SIZE)))[0, 17]
    assert float(through) == pytest.approx(SIZE * 15.0, rel=0.01)
    by_hand = FanBeamCT(FAN.every(4)).fbp(every[:, ::4], filter_name="hann")
    np.testing.assert_allclose(degrade(key, hr)[..., 0], by_hand, atol=1e-5)
    assert operator.range_shape == (12, 35)


def test_many_views_restore_a_smooth_image(key):
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    hr = jnp.exp(-jnp.asarray(rows**2 + columns**2, jnp.float32) / 20)[None, ..., None]
    errors = [
        float(jnp.abs(sparse_view_fan_ct(FAN.every(k))(key, hr) - hr).max())
        for k in (1, 12)
    ]
    assert errors[0] < 0.05
    assert errors[1] > 2 * errors[0]


@pytest.mark.parametrize("low", [-1000.0, -500.0])
def test_noise_is_that_of_the_attenuation_along_the_rays(key, hr, low):
    """Attenuation of water per mm times mm: no width of a pixel in between."""
    dose = LowDose(1e5, electronic_noise=3.0, pixel_mm=1.0, window=(low, 1000.0))
    fan = FAN.every(4)
    values = sparse_view_fan_ct(fan, dose=dose).measure(key, hr).values
    operator, image = FanBeamCT(fan), hr[..., 0]
    hu = low + image * (1000 - low)
    attenuation = operator(WATER_PER_MM * (1 + hu / 1000))
    keys = jax.vmap(lambda each: jax.random.fold_in(each, 1))(jax.random.split(key, 4))
    seen = jax.vmap(
        lambda key, each: low_dose(key, each, photons=1e5, electronic_noise=3.0)
    )(keys, attenuation)
    water = WATER_PER_MM * (1000 - low) / 1000
    air = operator(jnp.full((SIZE, SIZE), WATER_PER_MM * (1 + low / 1000)))
    expected = (seen - air) / water
    # Rounding tips a count over here and there.
    close = np.isclose(values, expected, rtol=1e-4, atol=0.01)
    assert close.mean() > 0.98
    assert 0.05 < float(jnp.std(values - operator(image))) < 20


def test_dose_in_units_of_pixels_is_refused():
    with pytest.raises(ValueError, match=r"dose\.pixel_mm = 0\.7: expected 1, as line"):
        sparse_view_fan_ct(FAN, dose=LowDose(1e5))

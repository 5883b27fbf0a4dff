"""Nothing is found in an image where nothing is, however a mean of it is rounded."""

import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax import metrics
from sisr_jax.metrics.deviations import deviations

ONES = np.ones((97, 95), bool)
OF_A_CONSTANT = {
    "lateral_width": (lambda x: metrics.lateral_width(x, ONES), np.nan),
    "speckle_snr": (lambda x: metrics.speckle_snr(x, ONES), np.inf),
    "lateral_spectrum": (lambda x: metrics.lateral_spectrum(x, column_mm=1).values, 0),
    "spectral_transfer": (
        lambda x: (
            metrics.spectral_transfer(x[None], x[None], pixel_mm=1, num_bins=9).transfer
        ),
        np.nan,
    ),
    "edge_response": (
        lambda x: (
            metrics.edge_response(
                x, centre=(48, 47), radius=30, reach=9, pixel_mm=1, oversampling=4
            ).transfer
        ),
        np.nan,
    ),
    "noise_power_spectrum": (
        lambda x: metrics.noise_power_spectrum(x[None], pixel_mm=1, degree=0),
        0,
    ),
}


@pytest.mark.parametrize("level", [-1000.0, 0.1, 1007.3])
@pytest.mark.parametrize("name", OF_A_CONSTANT)
def test_a_constant_has_no_structure(name, level):
    function, expected = OF_A_CONSTANT[name]
    found = function(np.full(ONES.shape, level, np.float32))
    np.testing.assert_array_equal(found, np.full(np.shape(found), expected))


def test_they_are_those_of_what_counts():
    values = np.random.default_rng(0).normal(5, 2, (3, 8, 9)).astype(np.float32)
    where = values > 4
    rest, mean = deviations(jnp.asarray(values), (-2, -1), jnp.asarray(where))
    expected = np.mean(values, (1, 2), where=where, keepdims=True)
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    np.testing.assert_allclose(rest, np.where(where, values - expected, 0), atol=1e-5)

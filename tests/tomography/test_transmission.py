import jax
import numpy as np
import pytest

from sisr_jax.tomography.transmission import line_integrals

RNG = np.random.default_rng(0)


def test_known_attenuation_comes_back():
    integrals = RNG.uniform(0, 6, (5, 2, 7))
    beam, offset = RNG.uniform(1e3, 2e3, (2, 7)), RNG.uniform(50, 100, (2, 7))
    drift = np.array([-3.0, 1.0, 2.0])[:, None, None]
    found = line_integrals(
        offset + beam * np.exp(-integrals),
        flat=offset + beam + drift,
        dark=offset - drift[:2] + drift[:2].mean(),
        least=1e-4,
    )
    np.testing.assert_allclose(found, integrals, atol=1e-4)


def test_what_nothing_passes_is_the_least_share():
    counts = np.array([[[10, 9, 11, 110, 210]]], np.uint16)
    fields = {
        "flat": np.full((1, 1, 5), 110, np.uint16),
        "dark": np.full((2, 1, 5), 10),
    }
    found = jax.jit(lambda counts: line_integrals(counts, **fields, least=0.1))(counts)
    expected = -np.log([[[0.1, 0.1, 0.1, 1.0, 2.0]]])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_dead_detectors_are_not_a_number():
    flat, dark = np.array([[[9.0, 5.0, 4.0]]]), np.array([[[1.0, 5.0, 5.0]]])
    found = line_integrals(np.full((2, 1, 3), 5.0), flat=flat, dark=dark, least=0.1)
    np.testing.assert_array_equal(np.isnan(found), [[[False, True, True]]] * 2)


@pytest.mark.parametrize("least", [0.0, 1.0, -1e-3])
def test_a_share_is_between_0_and_1(least):
    one = np.ones((1, 1, 2))
    with pytest.raises(ValueError, match="expected a share between 0 and 1"):
        line_integrals(one, flat=one, dark=0 * one, least=least)

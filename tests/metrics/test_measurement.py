import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.metrics import residual


def test_residual():
    measured = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    scale = np.array([1.0, 0.5, -1.0], np.float32)[:, None, None]
    np.testing.assert_allclose(
        residual(measured * scale, measured), [0, 0.5, 2], atol=1e-6
    )


def test_residual_of_any_type_and_number_of_axes():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 3, 8, 9))
    expected = np.linalg.norm(a - b, axis=(1, 2)) / np.linalg.norm(b, axis=(1, 2))
    for kind in ("uint8", "int16", "float16", "float32"):
        found = residual(a.astype(kind), b.astype(kind))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(residual(a[0], b[0]), expected[0], rtol=1e-5)
    large = np.full((40, 40), 300, np.float16)
    assert float(residual(2 * large, large)) == pytest.approx(1)
    with pytest.raises(ValueError, match=r"projected \(8, 9\), measured \(3, 8, 9\)"):
        residual(a[0], b)


def test_residual_of_what_is_explained_entirely():
    """Of zeros, too: a slice of air is explained by air."""
    measured = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    measured[1:] = 0
    projected = measured.copy()
    projected[2, 0, 0] = 1
    np.testing.assert_array_equal(residual(projected, measured), [0, 0, np.inf])

    def total(projected, measured):
        return residual(projected, measured)[:2].sum()

    for which in (0, 1):
        gradient = jax.grad(total, which)(jnp.asarray(projected), jnp.asarray(measured))
        np.testing.assert_array_equal(gradient[:2], 0)
    assert np.isnan(residual(projected[1] * np.nan, measured[1]))

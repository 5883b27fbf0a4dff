import numpy as np

from sisr_jax.metrics import residual


def test_residual():
    measured = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    scale = np.array([1.0, 0.5, -1.0], np.float32)[:, None, None]
    np.testing.assert_allclose(
        residual(measured * scale, measured), [0, 0.5, 2], atol=1e-6
    )

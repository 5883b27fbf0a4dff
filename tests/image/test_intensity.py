import jax.numpy as jnp
import numpy as np

from sisr_jax.image.intensity import own_range


def test_own_range():
    images = np.random.default_rng(0).normal(size=(3, 8, 6, 1)).astype(np.float32)
    images *= np.array([1.0, 5.0, 0.1], np.float32)[:, None, None, None]
    for scaled, image in zip(own_range(jnp.asarray(images)), images, strict=True):
        expected = (image - image.min()) / (image.max() - image.min())
        np.testing.assert_allclose(scaled, expected, atol=1e-6)
    constant = own_range(jnp.full((1, 4, 4, 1), 0.3))
    assert np.array_equal(constant, np.zeros((1, 4, 4, 1)))

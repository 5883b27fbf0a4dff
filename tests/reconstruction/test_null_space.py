"""The part of an image that is not measured."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dense_operator import Dense

from sisr_jax.reconstruction.null_space import null_space
from sisr_jax.ultrasound import LateralDecimation


def test_is_the_projection_on_the_null_space():
    matrix = np.random.default_rng(0).normal(size=(20, 144)).astype(np.float32)
    image = np.random.default_rng(1).normal(size=(12, 12)).astype(np.float32)
    A = Dense(jnp.asarray(matrix), (12, 12), (20,))
    expected = image.ravel() - np.linalg.pinv(matrix) @ (matrix @ image.ravel())
    found = null_space(image, A)
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-4)
    assert np.linalg.norm(expected) > 0.5 * np.linalg.norm(image)


def test_is_not_measured(small_ct, truth):
    images = jnp.stack([truth, 2 * truth.T])
    found = jax.jit(null_space)(images, small_ct)
    views = small_ct(images)
    assert jnp.abs(small_ct(found)).max() < 0.01 * jnp.abs(views).max()
    one = null_space(images[1], small_ct)
    np.testing.assert_allclose(found[1], one, atol=1e-4)


def test_of_missing_lines_is_the_missing_lines(key):
    frames = jax.random.uniform(key, (2, 4, 8))
    found = null_space(frames, LateralDecimation(4), num_steps=2)
    np.testing.assert_allclose(found[..., ::4], 0, atol=1e-6)
    kept = jnp.arange(8) % 4 == 0
    np.testing.assert_allclose(found, jnp.where(kept, 0, frames), atol=1e-6)


def test_there_must_be_a_step(small_ct, truth):
    with pytest.raises(ValueError, match="num_steps = 0"):
        null_space(truth, small_ct, num_steps=0)

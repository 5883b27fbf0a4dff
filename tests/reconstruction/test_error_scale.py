"""Where total variation of two weights differs, an error is likely."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.reconstruction.error_scale import error_scale
from sisr_jax.reconstruction.starts import starts
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

FLOOR = 5e-4


@pytest.fixture(scope="module")
def operator():
    return ParallelBeamCT(ParallelBeam(32, 20))


@pytest.fixture(scope="module")
def images():
    """A disc, and the same with texture in its upper half."""
    rows, columns = np.mgrid[:32, :32] - 15.5
    disc = (np.hypot(rows, columns) < 12) * 0.5
    texture = np.random.default_rng(0).normal(0, 0.1, (32, 32)) * (rows < 0)
    return jnp.asarray(np.stack([disc, disc + texture * (disc > 0)]), jnp.float32)


def test_is_the_local_difference_of_two_weights(operator, images):
    y = operator(images[1])
    both = np.asarray(starts(y, operator, multiples=(1.0, 5.0)), np.float64)
    squared = np.pad((both[..., 1] - both[..., 0]) ** 2, 16, mode="edge")
    rows, columns = np.mgrid[-16:17, -16:17]
    weights = np.exp(-(rows**2 + columns**2) / (2 * 4**2))
    windows = np.lib.stride_tricks.sliding_window_view(squared, (33, 33))
    mean = (windows * weights).sum((2, 3)) / weights.sum()
    found = error_scale(y, operator)
    np.testing.assert_allclose(found, np.sqrt(mean) + FLOOR, rtol=1e-3)


def test_is_larger_where_the_prior_decides(operator, images):
    plain, textured = error_scale(operator(images), operator)
    growth = textured / plain
    assert growth[4:10, 10:22].mean() > 1.5 * growth[22:28, 10:22].mean()
    assert plain.min() >= FLOOR


def test_jit_and_batches_agree(operator, images):
    y = operator(images)
    found = jax.jit(error_scale)(y[None], operator)
    assert found.shape == (1, 2, 32, 32)
    np.testing.assert_allclose(found[0, 1], error_scale(y[1], operator), rtol=1e-3)

"""Views of which only the back-projection is there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.operators import check_adjoint
from sisr_jax.reconstruction.recovered_views import (
    _FilteredBackProjection,
    recover_views,
)
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

SIZE = 48


@pytest.fixture(scope="module")
def operator():
    return ParallelBeamCT(ParallelBeam(SIZE, 100).every(12))


@pytest.fixture(scope="module")
def slices():
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    disc = 0.5 * (np.hypot(rows, columns) < 18)
    detail = 0.4 * (np.hypot(rows - 5, columns + 4) < 4)
    return jnp.asarray(np.stack([disc, disc + detail]), jnp.float32)


def distance(found, expected):
    return float(jnp.linalg.norm(found - expected) / jnp.linalg.norm(expected))


def test_views_come_back(operator, slices):
    y = operator(slices)
    # As it is stored: rounded to whole HU of a window of 2000.
    image = jnp.round(operator.fbp(y) * 2000) / 2000
    found, mismatch = jax.jit(recover_views)(image, operator)
    assert distance(operator(image), y) > 0.01  # projecting it is not enough
    assert distance(found, y) < 3e-3
    assert mismatch.shape == (2,)
    assert mismatch.max() < 5e-3
    one, _ = recover_views(image[1], operator)
    np.testing.assert_allclose(one, found[1], atol=1e-2)


@pytest.mark.parametrize("change", ["clipped", "of other views", "complete"])
def test_what_is_no_back_projection_of_these_views_is_told(operator, slices, change):
    y = operator(slices)
    image = operator.fbp(y)
    if change == "clipped":
        image = jnp.clip(image, 0, 1)
    elif change == "complete":
        image = slices
    else:
        other = ParallelBeamCT(ParallelBeam(SIZE, 13))
        image = other.fbp(other(slices))
    assert recover_views(image, operator)[1].min() > 0.02


def test_of_nothing_is_nothing(operator):
    views, mismatch = recover_views(jnp.zeros((SIZE, SIZE)), operator)
    assert jnp.abs(views).max() == 0
    assert mismatch == 0


def test_transpose(operator, key):
    check_adjoint(_FilteredBackProjection(operator), key)

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.reconstruction import starts as module
from sisr_jax.reconstruction.starts import starts


def test_two_total_variations_and_back_projection(small_ct, truth):
    views = small_ct(jnp.stack([truth, truth.T]))
    found = starts(views, small_ct)
    assert found.shape == (2, 12, 12, 3)
    small, large, linear = jnp.moveaxis(found, -1, 0)
    np.testing.assert_array_equal(linear, small_ct.fbp(views))
    variation = [
        jnp.abs(jnp.diff(each)).sum() for each in (large, small, jnp.clip(linear, 0, 1))
    ]
    assert variation[0] < variation[1] < variation[2]
    residual = [jnp.std(small_ct(each) - views) for each in (small, large)]
    assert residual[0] < residual[1] < 0.1 * jnp.std(views)
    one = jax.jit(starts)(views[1], small_ct)
    np.testing.assert_allclose(one, found[1], atol=1e-5)


@pytest.mark.parametrize("share", [1.0, 0.25])
@pytest.mark.parametrize(("views", "best"), [(63, 1e-4), (125, 5e-5), (250, 2e-5)])
def test_weights_are_those_that_the_baselines_chose(monkeypatch, views, best, share):
    weights = []

    def total_variation(y, A, *, weight, **_):
        weights.append(weight)
        return image

    monkeypatch.setattr(module, "total_variation", total_variation)
    image = jnp.zeros((512, 512))
    operator = types.SimpleNamespace(measured_share=share, fbp=lambda y: image)
    starts(jnp.zeros((round(views / share), 725)), operator)
    assert weights[1] == pytest.approx(best, rel=0.15)
    assert weights[0] == 5 * weights[1]


def test_more_weights_begin_with_the_largest(small_ct, truth):
    views = small_ct(truth)
    found = starts(views, small_ct, multiples=(1.0, 10.0, 100.0))
    assert found.shape == (12, 12, 4)
    variation = [jnp.abs(jnp.diff(found[..., i])).sum() for i in range(3)]
    assert variation[0] > variation[1] > variation[2]
    residual = [jnp.std(small_ct(found[..., i]) - views) for i in range(3)]
    assert residual[0] < residual[1] < residual[2]


@pytest.mark.parametrize("multiples", [(), (5.0, 1.0), (1.0, 1.0), (0.0, 1.0)])
def test_weights_that_do_not_ascend_are_refused(small_ct, multiples):
    with pytest.raises(ValueError, match=r"expected to ascend from above 0"):
        starts(small_ct(jnp.zeros((12, 12))), small_ct, multiples=multiples)


def test_an_operator_without_back_projection(small_ct, dense_ct, truth):
    views = dense_ct(truth)
    linear = starts(views, dense_ct)[..., 2]
    expected = dense_ct.T(dense_ct.precondition(views))
    np.testing.assert_array_equal(linear, expected)


def test_a_measurement_of_another_shape_is_refused(small_ct):
    with pytest.raises(ValueError, match=r"sinogram of shape \(3, 17\): expected"):
        starts(np.zeros((3, 17), np.float32), small_ct)

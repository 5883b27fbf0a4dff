import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dense_operator import Dense, least_squares
from jax.test_util import check_grads

from sisr_jax.reconstruction.conjugate_gradient import conjugate_gradient
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from sisr_jax.ultrasound import LateralDecimation


@pytest.fixture(scope="session")
def views(dense_ct, truth):
    """Noisy, so that no image explains them."""
    return dense_ct(truth) + 0.1 * jax.random.normal(jax.random.key(0), (5, 17))


@pytest.mark.parametrize("near", [False, True])
# 100 steps are far more than 0.1 needs: what has arrived stays.
@pytest.mark.parametrize("damping", [1e-3, 0.1])
def test_damped_least_squares(dense_ct, views, truth, damping, near):
    start = truth + 0.1 if near else jnp.zeros_like(truth)
    scaled, root = least_squares(dense_ct)
    rows = np.concatenate([scaled, np.sqrt(damping) * np.eye(144)])
    right = np.concatenate([root @ views.ravel(), np.sqrt(damping) * start.ravel()])
    expected = np.linalg.lstsq(rows, right)[0]
    found = conjugate_gradient(
        views, dense_ct, num_steps=100, damping=damping, x=start if near else None
    )
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(30, 48), (48, 30)])
def test_plain_least_squares_nearest_to_the_start(shape):
    """More unknowns than equations, and fewer."""
    matrix, start = (
        jax.random.normal(jax.random.key(seed), size)
        for seed, size in ((0, shape), (1, shape[1:]))
    )
    y = jax.random.normal(jax.random.key(2), shape[:1])
    A = Dense(matrix, shape[1:], shape[:1])
    found = conjugate_gradient(y, A, num_steps=60, x=start)
    change = np.linalg.lstsq(matrix, y - A(start))[0]
    np.testing.assert_allclose(found, start + change, atol=1e-3)


def test_views_that_tell_everything(truth):
    A = ParallelBeamCT(ParallelBeam(6, 40))
    image = truth[3:9, 3:9]
    found = conjugate_gradient(A(image), A, num_steps=60)
    np.testing.assert_allclose(found, image, atol=1e-3)


def test_examples_of_a_batch_do_not_know_each_other(dense_ct, views):
    batch = jnp.stack([views, 100 * views, 0 * views])

    def solve(y, A):
        return conjugate_gradient(y, A, num_steps=8, damping=0.01)

    found = solve(batch, dense_ct)
    one = solve(views, dense_ct)
    np.testing.assert_allclose(found[0], one, atol=1e-5)
    np.testing.assert_allclose(found[1] / 100, one, atol=1e-5)
    np.testing.assert_array_equal(found[2], 0)
    np.testing.assert_allclose(jax.jit(solve)(views, dense_ct), one, atol=1e-5)
    each = jax.vmap(solve, (0, None))(batch, dense_ct)
    np.testing.assert_allclose(each[0], found[0], atol=1e-5)


@pytest.mark.usefixtures("double_precision")
def test_gradients():
    matrix = jax.random.normal(jax.random.key(0), (10, 16))
    x = jax.random.normal(jax.random.key(1), (2, 4, 4))
    y = 0.1 + x.reshape(2, 16) @ matrix.T
    assert x.dtype == jnp.float64

    def solve(y, damping, x):
        A = Dense(matrix, (4, 4), (10,))
        return conjugate_gradient(y, A, num_steps=3, damping=damping, x=x)

    check_grads(solve, (y, jnp.asarray(0.3), x), 1, modes=["rev"])


def test_gradients_of_an_example_that_has_arrived(dense_ct, views):
    def loss(y):
        return jnp.sum(conjugate_gradient(y, dense_ct, num_steps=2) ** 2)

    assert jnp.isfinite(jax.grad(loss)(jnp.stack([views, 0 * views]))).all()


def test_columns(truth):
    A = LateralDecimation(3)
    found = conjugate_gradient(A(truth), A, num_steps=3, x=truth + 0.2)
    np.testing.assert_allclose(found[:, ::3], truth[:, ::3], atol=1e-6)
    np.testing.assert_allclose(found[:, 1::3], truth[:, 1::3] + 0.2, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 0}, "num_steps = 0: expected at least 1"),
        ({"damping": -0.1}, "damping = -0.1: expected at least 0"),
        ({"x": np.zeros((2, 12, 12), "f4")}, r"y of shape \(5, 17\): expected \(2, 5"),
    ],
)
def test_bad_input(dense_ct, views, options, message):
    with pytest.raises(ValueError, match=message):
        conjugate_gradient(views, dense_ct, **({"num_steps": 1} | options))

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dense_operator import Dense
from jax.test_util import check_grads

from sisr_jax.reconstruction.conjugate_gradient import conjugate_gradient
from sisr_jax.reconstruction.data_consistency import data_consistency
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.ultrasound import LateralDecimation


@pytest.fixture(scope="session")
def start(truth):
    noise = np.random.default_rng(0).normal(size=truth.shape)
    return truth + 0.1 * noise.astype(np.float32)


@pytest.fixture(scope="session")
def random_matrix():
    """20 rays of 6 x 8 pixels, with no preconditioner but its norm."""
    matrix = jax.random.normal(jax.random.key(0), (20, 48))
    return Dense(matrix, (6, 8), (20,))


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("kinds", [("f4", "f4"), ("f8", "f4"), ("f4", "f8")])
def test_image_measurement_and_numbers_of_two_precisions(kinds):
    """The wider of image and measurement is that of the result; a scalar has none."""
    A = Dense(jnp.asarray(np.eye(6, 12), "f4"), (3, 4), (6,))
    x, y = (
        np.random.default_rng(0).random(n).astype(k)
        for n, k in zip(((3, 4), 6), kinds, strict=True)
    )
    number, bounds = np.float64(0.1), (np.float64(0), np.float64(1))
    for found in (
        data_consistency(x, y, A, num_steps=2, bounds=bounds),
        conjugate_gradient(y, A, num_steps=2, x=x, damping=number),
        total_variation(
            y, A, weight=number, start=x, num_iterations=2, continuation=number + 1
        ),
    ):
        assert found.dtype == np.result_type(*kinds)
        assert np.isfinite(found).all()


@pytest.mark.usefixtures("double_precision")
def test_without_bounds_it_is_the_nearest_image_that_explains_the_measurement():
    start, truth = jax.random.normal(jax.random.key(1), (2, 6, 8))
    A = Dense(jax.random.normal(jax.random.key(0), (20, 48)), (6, 8), (20,))
    found = data_consistency(start, A(truth), A, num_steps=500, bounds=None)
    change = np.linalg.pinv(A.matrix) @ A(truth - start)
    np.testing.assert_allclose(found, start + change.reshape(6, 8), atol=1e-8)


def test_the_residual_falls_and_the_image_gets_nearer(small_ct, truth, start):
    views = small_ct(truth)
    residuals, errors = [jnp.linalg.norm(small_ct(start) - views)], []
    for num_steps in (1, 4, 16):
        found = data_consistency(start, views, small_ct, num_steps=num_steps)
        assert 0 <= found.min() <= found.max() <= 1
        residuals.append(jnp.linalg.norm(small_ct(found) - views))
        errors.append(jnp.linalg.norm(found - truth))
    assert all(np.diff(residuals) < 0)
    assert residuals[-1] < 0.05 * residuals[0]
    assert all(np.diff(errors) < 0)


@pytest.mark.parametrize("kind", ["float16", "int16", "uint8"])
def test_other_types_are_computed_in_float32(small_ct, truth, start, kind):
    """What was counted, or kept in half precision, is a number all the same."""
    views = (20 * np.asarray(small_ct(truth))).astype(kind)
    image = np.asarray(start).astype(kind)
    for solve in (
        functools.partial(data_consistency, x=image, y=views, A=small_ct, num_steps=2),
        functools.partial(conjugate_gradient, views, small_ct, num_steps=2, x=image),
        functools.partial(total_variation, views, small_ct, weight=1e-3, start=image),
        functools.partial(small_ct.precondition, views),
    ):
        found = solve()
        assert found.dtype == jnp.float32
        arguments = [each.astype("float32") for each in solve.args[:1]]
        options = {
            name: value.astype("float32") if isinstance(value, np.ndarray) else value
            for name, value in solve.keywords.items()
        }
        expected = solve.func(*arguments, *solve.args[1:], **options)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_image_that_explains_the_measurement_stays(dense_ct, truth):
    found = data_consistency(truth, dense_ct(truth), dense_ct, num_steps=5)
    np.testing.assert_allclose(found, truth, atol=1e-5)


def test_jit_and_vmap_and_a_batch_agree(random_matrix):
    x, truth = jax.random.uniform(jax.random.key(1), (2, 3, 6, 8))
    y = random_matrix(truth)

    def solve(x, y, A):
        return data_consistency(x, y, A, num_steps=5)

    batch = solve(x, y, random_matrix)
    np.testing.assert_allclose(jax.jit(solve)(x, y, random_matrix), batch, atol=1e-5)
    each = jax.vmap(solve, (0, 0, None))(x, y, random_matrix)
    np.testing.assert_allclose(each, batch, atol=1e-5)
    np.testing.assert_allclose(solve(x[1], y[1], random_matrix), batch[1], atol=1e-5)


@pytest.mark.usefixtures("double_precision")
def test_gradients():
    matrix = jax.random.normal(jax.random.key(0), (10, 16))
    # Away from the bounds, where the projection onto the box has a kink.
    x = 0.5 + 0.1 * jax.random.normal(jax.random.key(1), (2, 4, 4))
    y = 0.1 + x.reshape(2, 16) @ matrix.T
    assert x.dtype == jnp.float64

    def solve(x, y):
        A = Dense(matrix, (4, 4), (10,))
        return data_consistency(x, y, A, num_steps=3)

    check_grads(solve, (x, y), 1, modes=["rev"])


def test_reverse_mode_keeps_two_images_a_step(random_matrix):
    """And no measurement, which is 27 times as large here."""
    tall = Dense(jnp.tile(random_matrix.matrix, (64, 1)), (6, 8), (20 * 64,))
    x = jnp.full((8, 6, 8), 0.5)

    def loss(x, y, num_steps):
        return jnp.sum(data_consistency(x, y, tall, num_steps=num_steps) ** 2)

    def memory(num_steps):
        grad = jax.jit(jax.grad(loss), static_argnums=2)
        analysis = grad.lower(x, tall(x), num_steps).compile().memory_analysis()
        return analysis.temp_size_in_bytes

    assert memory(80) - memory(16) < 64 * 3 * x.nbytes


def test_an_unknown_norm_is_computed_before_the_loop(random_matrix):
    def solve(x, A):
        return data_consistency(x, A(x), A, num_steps=7)

    unknown = Dense(random_matrix.matrix, (6, 8), (20,))
    outer = jax.make_jaxpr(solve)(jnp.zeros((6, 8)), unknown)
    lengths = [e.params["length"] for e in outer.eqns if e.primitive.name == "scan"]
    assert lengths == [32, 7]


def test_keeps_the_acquired_columns(truth):
    A = LateralDecimation(3, 1)
    start = jnp.full_like(truth, 0.5)
    found = data_consistency(start, A(truth), A, num_steps=1)
    np.testing.assert_allclose(A(found), A(truth), atol=1e-6)
    np.testing.assert_array_equal(found[:, ::3], 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 0}, "num_steps = 0: expected at least 1"),
        ({"bounds": (0.0, 0.0)}, r"bounds = \(0.0, 0.0\): expected \(lower, upper\)"),
        ({"y": np.zeros((2, 5, 17), "f4")}, r"\(2, 5, 17\): expected \(5, 17\), that"),
    ],
)
def test_bad_input(dense_ct, truth, options, message):
    arguments = {"x": truth, "y": dense_ct(truth), "A": dense_ct, "num_steps": 1}
    with pytest.raises(ValueError, match=message):
        data_consistency(**(arguments | options))

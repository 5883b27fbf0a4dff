import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.losses import PIXEL_LOSSES, bce_from_logits, charbonnier

A = jnp.array([[0.1, 0.5], [0.9, 0.2]])
B = jnp.array([[0.4, 0.5], [0.1, 0.3]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("l1", [[0.3, 0.0], [0.8, 0.1]]),
        ("mse", [[0.09, 0.0], [0.64, 0.01]]),
        ("charbonnier", np.sqrt(np.array([[0.09, 0.0], [0.64, 0.01]]) + 1e-6)),
    ],
)
def test_values_by_hand_and_symmetry(name, expected):
    loss = PIXEL_LOSSES[name]
    np.testing.assert_allclose(loss(A, B), expected, atol=1e-6)
    np.testing.assert_array_equal(loss(A, B), loss(B, A))


def test_names_are_those_of_the_config():
    assert set(PIXEL_LOSSES) == {"mse", "l1", "charbonnier"}


@pytest.mark.parametrize("name", sorted(PIXEL_LOSSES))
def test_gradient_is_finite_everywhere_and_zero_at_equality(name):
    gradient = jax.grad(lambda a: PIXEL_LOSSES[name](a, B).sum())(A)
    assert jnp.isfinite(gradient).all()
    assert gradient[0, 1] == 0.0
    assert gradient[0, 0] < 0 < gradient[1, 0]


def test_epsilon_of_charbonnier_is_its_minimum():
    assert charbonnier(A, A, 0.25)[0, 0] == 0.25


@pytest.mark.parametrize("logit", [-200.0, -30.0, -0.5, 0.0, 0.5, 30.0, 200.0])
@pytest.mark.parametrize("target", [0.0, 0.9, 1.0])
def test_bce_equals_float64_and_its_gradient_is_exact(logit, target):
    expected = target * np.logaddexp(0, -logit) + (1 - target) * np.logaddexp(0, logit)
    value, gradient = jax.value_and_grad(lambda x: bce_from_logits(x, target).sum())(
        jnp.array([logit])
    )
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-37)
    sigmoid = 1 / (1 + np.exp(-np.float64(logit)))
    np.testing.assert_allclose(gradient[0], sigmoid - target, rtol=1e-5, atol=1e-7)


def test_bce_takes_soft_targets_elementwise():
    logits = jnp.array([[1.0], [-2.0]])
    target = jnp.array([[0.3], [0.8]])
    each = [bce_from_logits(logits[i], float(target[i, 0])) for i in range(2)]
    np.testing.assert_allclose(bce_from_logits(logits, target), each, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(PIXEL_LOSSES))
def test_jit_and_vmap_change_nothing(name):
    loss = PIXEL_LOSSES[name]
    np.testing.assert_allclose(jax.jit(jax.vmap(loss))(A, B), loss(A, B), rtol=1e-6)

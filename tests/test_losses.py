import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.losses import PIXEL_LOSSES, charbonnier, gradient_difference

A = jnp.array([[0.1, 0.5], [0.9, 0.2]])
B = jnp.array([[0.4, 0.5], [0.1, 0.3]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("l1", [[0.3, 0.0], [0.8, 0.1]]),
        ("mse", [[0.09, 0.0], [0.64, 0.01]]),
        ("log_mse", np.log(np.array([[0.045] * 2, [0.325] * 2]))),
        ("charbonnier", np.sqrt(np.array([[0.09, 0.0], [0.64, 0.01]]) + 1e-6)),
    ],
)
def test_values_by_hand_and_symmetry(name, expected):
    loss = PIXEL_LOSSES[name]
    np.testing.assert_allclose(loss(A, B), expected, atol=1e-6)
    np.testing.assert_array_equal(loss(A, B), loss(B, A))


def test_names_are_those_of_the_config():
    assert set(PIXEL_LOSSES) == {"mse", "l1", "charbonnier", "log_mse"}


@pytest.mark.parametrize("name", sorted(PIXEL_LOSSES))
def test_gradient_is_finite_everywhere_and_zero_at_equality(name):
    gradient = jax.grad(lambda a: PIXEL_LOSSES[name](a, B).sum())(A)
    assert jnp.isfinite(gradient).all()
    assert gradient[0, 1] == 0.0
    assert gradient[0, 0] < 0 < gradient[1, 0]


def test_epsilon_of_charbonnier_is_its_minimum():
    assert charbonnier(A, A, epsilon=0.25)[0, 0] == 0.25


def test_gradient_difference_by_hand():
    """Rows and columns differ by 1 at one step each; an offset costs nothing."""
    targets = jnp.zeros((1, 3, 3, 1))
    step = targets.at[0, 2].set(1.0)  # 3 of 6 differences along the columns
    assert gradient_difference(step, targets) == pytest.approx(0.5)
    assert gradient_difference(step.swapaxes(1, 2), targets) == pytest.approx(0.5)
    assert gradient_difference(step + 0.3, step) == pytest.approx(0.0, abs=1e-6)


def test_gradient_difference_leaves_equal_differences_alone():
    """Air beside tissue that is wrong is not pushed."""
    targets = jnp.zeros((1, 6, 6, 1))
    image = targets.at[0, 4, 4].set(0.5)
    gradient = jax.grad(gradient_difference)(image, targets)
    assert (gradient != 0).sum() == 5  # the pixel and its neighbours
    assert not jax.grad(gradient_difference)(targets + 0.3, targets).any()


@pytest.mark.parametrize("name", sorted(PIXEL_LOSSES))
def test_jit_and_vmap_change_nothing(name):
    loss = PIXEL_LOSSES[name]
    found = jax.jit(jax.vmap(loss))(A[None], B[None])[0]
    np.testing.assert_allclose(found, loss(A, B), rtol=1e-6)

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.models.unrolled import LearnedPrimalDual
from sisr_jax.reconstruction.data_consistency import data_consistency
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

SIZE = 24
SMALL = {"num_iterations": 2, "width": 6, "memory": 2, "num_steps": 3}


@pytest.fixture(scope="module")
def operator():
    return ParallelBeamCT(ParallelBeam(SIZE, 10))


@pytest.fixture(scope="module")
def scan(operator):
    """Two images, their measurement and first estimates."""
    rows, columns = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    disc = (rows**2 + columns**2 < 9**2) * 0.6
    truth = jnp.asarray([disc, disc * 0.5], jnp.float32)
    measured = operator(truth)
    return truth, measured, operator.fbp(measured)[..., None]


def test_untrained_network_is_the_estimate_made_consistent(scan, operator):
    _, measured, estimate = scan
    model = LearnedPrimalDual(**SMALL)
    key = jax.random.key(0)
    variables = model.init(key, estimate, measured, operator, train=False)
    found = model.apply(variables, estimate, measured, operator, train=False)
    expected = data_consistency(estimate[..., 0], measured, operator, num_steps=3)
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-5)


def test_learns_from_both_sides(scan, operator):
    truth, measured, estimate = scan
    model = LearnedPrimalDual(**SMALL)
    key = jax.random.key(0)
    params = model.init(key, estimate, measured, operator, train=False)["params"]

    @jax.jit
    def step(params):
        def loss(params):
            output = model.apply(
                {"params": params}, estimate, measured, operator, train=True
            )
            return jnp.mean((output[..., 0] - truth) ** 2)

        value, gradient = jax.value_and_grad(loss)(params)
        moved = jax.tree.map(lambda p, g: p - 0.3 * g, params, gradient)
        return moved, value, gradient

    losses = []
    for _ in range(15):
        params, value, gradient = step(params)
        losses.append(value)
    assert losses[-1] < 0.9 * losses[0]
    for name in ("dual_0", "image_0", "dual_1", "image_1"):
        assert max(jnp.abs(g).max() for g in jax.tree.leaves(gradient[name])) > 0, name


def test_without_the_measurement(scan):
    with pytest.raises(ValueError, match="no measurement: expected both"):
        LearnedPrimalDual(**SMALL).init(jax.random.key(0), scan[2], train=False)

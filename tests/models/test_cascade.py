import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.models.cascade import Cascade
from sisr_jax.reconstruction.data_consistency import data_consistency
from sisr_jax.reconstruction.starts import starts
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

SIZE = 32
SMALL = {"widths": (4, 8), "num_steps": 4, "num_last_steps": 6}


@pytest.fixture(scope="module")
def operator():
    return ParallelBeamCT(ParallelBeam(SIZE, 12))


@pytest.fixture(scope="module")
def measured(operator):
    """Two images, measured."""
    rows, columns = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    disc = (rows**2 + columns**2 < 12**2) * 0.6 + (abs(rows) < 3) * 0.2
    return operator(jnp.asarray([disc, disc.T * 0.7], jnp.float32))


@pytest.fixture(scope="module")
def first(measured, operator):
    return starts(measured, operator)


ESTIMATE = jnp.zeros((2, SIZE, SIZE, 1))


@pytest.fixture
def filled(shapes_of, fill, measured, operator):
    """A model with random weights, as a function of measurement and operator."""

    def fill_model(model):
        def initial(key):
            return model.init(key, ESTIMATE, measured, operator, train=False)

        shapes = jax.eval_shape(initial, jax.random.key(0))
        random = np.random.default_rng(1)
        return jax.tree.map(
            lambda leaf: jnp.asarray(random.normal(0, 0.1, leaf.shape), leaf.dtype),
            shapes,
        )

    return fill_model


def run(model, variables, measured, operator, *, train=False):
    return model.apply(variables, ESTIMATE, measured, operator, train=train)


def misfit(image, measured, operator):
    return jnp.linalg.norm(operator(image[..., 0]) - measured)


def test_untrained_stages_are_their_consistency_steps(measured, operator, first):
    model = Cascade(2, **SMALL)
    key = jax.random.key(0)
    variables = model.init(key, ESTIMATE, measured, operator, train=False)
    expected = first[..., 0]
    for steps in (4, 6):
        expected = data_consistency(expected, measured, operator, num_steps=steps)
    found = run(model, variables, measured, operator)
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_result_explains_the_measurement(measured, operator, filled, first, dtype):
    """Whatever the networks do, and in whatever type they compute."""
    model = Cascade(1, dtype=dtype, **SMALL | {"num_last_steps": 30})
    output = run(model, filled(model), measured, operator)
    assert output.dtype == jnp.float32
    assert 0 <= output.min()
    assert output.max() <= 1
    assert misfit(output, measured, operator) < 0.02 * jnp.linalg.norm(measured)
    assert jnp.abs(output - first[..., :1]).max() > 0.02


def test_every_stage_sees_image_output_before_and_all_starts(
    measured, operator, filled
):
    model = Cascade(2, **SMALL)
    variables = filled(model)
    kernels = [
        variables["params"][f"stage_{i}"]["Conv_0"]["kernel"].shape for i in range(2)
    ]
    assert kernels == [(3, 3, 4 * (2 + 3), 4)] * 2

    @jax.jit
    def effect(channel):
        """Of the second stage's weights for one of its inputs."""
        changed = jax.tree.map(jnp.copy, variables)
        kernel = changed["params"]["stage_1"]["Conv_0"]["kernel"]
        # Space-to-depth: the channels of the four pixels follow each other.
        others = jnp.arange(kernel.shape[2]) % 5 != channel
        changed["params"]["stage_1"]["Conv_0"]["kernel"] = kernel * others[
            :, None
        ].astype(kernel.dtype)
        return run(model, changed, measured, operator)

    whole = effect(-1)
    for channel in range(5):
        assert jnp.abs(effect(channel) - whole).max() > 1e-5, channel


def test_without_last_steps_the_network_has_the_last_word(measured, operator, first):
    model = Cascade(1, **SMALL | {"num_last_steps": 0})
    key = jax.random.key(0)
    variables = model.init(key, ESTIMATE, measured, operator, train=False)
    found = run(model, variables, measured, operator)
    np.testing.assert_array_equal(found, first[..., :1])


def test_more_starts_are_seen(measured, operator, filled):
    model = Cascade(1, start_weights=(1.0, 5.0, 30.0), **SMALL)
    params = filled(model)["params"]
    assert params["stage_0"]["Conv_0"]["kernel"].shape == (3, 3, 4 * (2 + 4), 4)


def test_shared_weights_are_those_of_one_stage(count, measured, operator, filled):
    one = filled(Cascade(1, **SMALL))
    assert count(filled(Cascade(2, **SMALL))) == 2 * count(one)
    shared = Cascade(2, shared=True, **SMALL)
    variables = filled(shared)
    assert count(variables) == count(one)
    same = {f"stage_{i}": variables["params"]["stage_0"] for i in range(2)}
    np.testing.assert_array_equal(
        run(shared, variables, measured, operator),
        run(Cascade(2, **SMALL), {"params": same}, measured, operator),
    )


def test_gradient_reaches_every_stage_through_the_physics(measured, operator, filled):
    model = Cascade(2, **SMALL)

    @jax.jit
    @jax.grad
    def gradient(variables, operator):
        output = run(model, variables, measured, operator, train=True)
        return jnp.sum(output**2)

    for path, leaf in jax.tree_util.tree_leaves_with_path(
        gradient(filled(model), operator)
    ):
        assert jnp.isfinite(leaf).all()
        assert jnp.abs(leaf).max() > 0, jax.tree_util.keystr(path)


@pytest.mark.parametrize(("given", "missing"), [(0, "operator"), (1, "measurement")])
def test_without_the_physics(measured, operator, given, missing):
    half = (measured, None) if given == 0 else (None, operator)
    with pytest.raises(ValueError, match=rf"no {missing}: .* on whole images"):
        Cascade(1, **SMALL).init(jax.random.key(0), ESTIMATE, *half, train=False)

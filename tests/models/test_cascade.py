import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.models.cascade import Cascade
from sisr_jax.reconstruction.data_consistency import data_consistency
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

SIZE = 32
SMALL = {"widths": (4, 8), "num_steps": 4}


@pytest.fixture(scope="module")
def operator():
    return ParallelBeamCT(ParallelBeam(SIZE, 12))


@pytest.fixture(scope="module")
def scan(operator):
    """Two images, their measurement, and estimates of three channels."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    disc = (rows**2 + columns**2 < 12**2) * 0.6
    truth = jnp.asarray([disc, disc[::-1] * 0.7], jnp.float32)
    noise = 0.1 * random.normal(size=(2, SIZE, SIZE, 3))
    return operator(truth), jnp.asarray(truth[..., None] + noise, jnp.float32)


@pytest.fixture
def untrained(scan):
    def variables(model):
        return model.init(jax.random.key(0), scan[1], train=False)

    return variables


def misfit(image, measured, operator):
    return jnp.linalg.norm(operator(image[..., 0]) - measured)


def test_untrained_stages_are_their_consistency_steps(scan, operator, untrained):
    measured, estimate = scan
    model = Cascade(2, **SMALL)
    output = model.apply(untrained(model), estimate, measured, operator, train=False)
    expected = estimate[..., 0]
    for _ in range(2):
        expected = data_consistency(expected, measured, operator, num_steps=4)
    np.testing.assert_allclose(output[..., 0], expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_result_explains_the_measurement(scan, operator, fill, dtype):
    """Whatever the networks do, and in whatever type they compute."""
    measured, estimate = scan
    model = Cascade(2, dtype=dtype, **SMALL | {"num_steps": 30})
    variables = fill(model, *estimate.shape)
    output = model.apply(variables, estimate, measured, operator, train=False)
    alone = model.apply(variables, estimate, train=False)
    assert output.dtype == jnp.float32
    assert 0 <= output.min()
    assert output.max() <= 1
    assert misfit(output, measured, operator) < 0.02 * jnp.linalg.norm(measured)
    assert misfit(alone, measured, operator) > 0.2 * jnp.linalg.norm(measured)


def test_crops_pass_through_the_networks_alone(scan, fill):
    _, estimate = scan
    model = Cascade(1, **SMALL)
    variables = fill(model, *estimate.shape)
    crop = estimate[:, :16, 8:24]
    output = model.apply(variables, crop, train=True)
    assert output.shape == (2, 16, 16, 1)
    assert jnp.abs(output - crop[..., :1]).max() > 0.01


def test_every_stage_sees_image_output_before_and_all_estimates(scan, operator, fill):
    measured, estimate = scan
    model = Cascade(2, **SMALL)
    variables = fill(model, *estimate.shape)
    kernels = [
        variables["params"][f"stage_{i}"]["Conv_0"]["kernel"].shape for i in range(2)
    ]
    assert kernels == [(3, 3, 4 * (2 + 3), 4)] * 2

    def without(channel):
        """Effect of the second stage's weights for one of its inputs."""
        changed = jax.tree.map(jnp.copy, variables)
        kernel = changed["params"]["stage_1"]["Conv_0"]["kernel"]
        # Space-to-depth: the channels of the four pixels follow each other.
        changed["params"]["stage_1"]["Conv_0"]["kernel"] = kernel.at[
            :, :, channel::5
        ].set(0)
        return model.apply(changed, estimate, measured, operator, train=False)

    whole = model.apply(variables, estimate, measured, operator, train=False)
    for channel in range(5):
        assert jnp.abs(without(channel) - whole).max() > 1e-4, channel


def test_shared_weights_are_those_of_one_stage(shapes_of, count, scan, fill):
    one = shapes_of(Cascade(1, **SMALL), 1, 16, 16, 3)
    assert count(shapes_of(Cascade(3, **SMALL), 1, 16, 16, 3)) == 3 * count(one)
    shared = Cascade(3, shared=True, **SMALL)
    assert count(shapes_of(shared, 1, 16, 16, 3)) == count(one)
    _, estimate = scan
    variables = fill(shared, *estimate.shape)
    same = {f"stage_{i}": variables["params"]["stage_0"] for i in range(3)}
    np.testing.assert_array_equal(
        shared.apply(variables, estimate, train=False),
        Cascade(3, **SMALL).apply({"params": same}, estimate, train=False),
    )


def test_gradient_reaches_every_stage_through_the_physics(scan, operator, fill):
    measured, estimate = scan
    model = Cascade(2, **SMALL)
    variables = fill(model, *estimate.shape)

    @jax.jit
    @jax.grad
    def gradient(variables, operator):
        output = model.apply(variables, estimate, measured, operator, train=True)
        return jnp.sum(output**2)

    for path, leaf in jax.tree_util.tree_leaves_with_path(
        gradient(variables, operator)
    ):
        assert jnp.isfinite(leaf).all()
        assert jnp.abs(leaf).max() > 0, jax.tree_util.keystr(path)


def test_half_of_the_physics(scan, operator, untrained):
    measured, estimate = scan
    model = Cascade(1, **SMALL)
    with pytest.raises(ValueError, match="only measurement is given"):
        model.apply(untrained(model), estimate, measured, train=False)
    with pytest.raises(ValueError, match="only operator is given"):
        model.apply(untrained(model), estimate, None, operator, train=False)

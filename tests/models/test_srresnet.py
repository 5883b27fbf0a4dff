import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.image.resize import aligned_columns
from sisr_jax.models import SRResNetCT, SRResNetUltrasound
from sisr_jax.models.blocks import PReLU


def image_like(*shape, seed=0):
    values = np.random.default_rng(seed).uniform(0, 1, shape)
    return jnp.asarray(values, jnp.float32)


def test_ct_parameters_of_the_original(shapes_of, count):
    variables = shapes_of(SRResNetCT(64, 5, 4, "batch", False), 1, 64, 64, 1)
    params = variables["params"]
    # Convolution weights: first 3*3*1*64 = 576; four down 3*3*256*64 = 147456 each;
    # ten in the blocks and one after them 3*3*64*64 = 36864 each; four up
    # 3*3*64*256 = 147456 each; last 9*9*64*1 = 5184.
    assert 576 + 4 * 147456 + 11 * 36864 + 4 * 147456 + 5184 == 1_590_912
    assert count(params, "kernel") == 1_590_912
    # Slopes: 64 after the first, the four down, one in each of five blocks, the
    # four up: 14 * 64.
    assert count(params, "slope") == 14 * 64
    # Biases: first and down 5 * 64, up 4 * 256, last 1; and those of the eleven
    # batch norms, which replace the biases of their convolutions.
    assert count(params, "bias") == 5 * 64 + 4 * 256 + 1 + 11 * 64
    assert count(params, "scale") == 11 * 64
    assert count(params) == 1_590_912 + 896 + 1345 + 2 * 704
    # A mean and a variance for each of eleven norms.
    assert count(variables["batch_stats"]) == 2 * 11 * 64


@pytest.mark.parametrize(
    ("norm", "biases", "scales"),
    # width 8: biases of first, 2 down, 2 up (32 each), last; then norms or biases of
    # 2 * 1 + 1 convolutions.
    [
        ("batch", 8 * 3 + 32 * 2 + 1 + 24, 24),
        ("group", 8 * 3 + 32 * 2 + 1 + 24, 24),
        ("none", 8 * 3 + 32 * 2 + 1 + 24, 0),
    ],
)
def test_norm_variants(shapes_of, count, norm, biases, scales):
    variables = shapes_of(SRResNetCT(8, 1, 2, norm, False), 1, 8, 8, 1)
    assert count(variables["params"], "bias") == biases
    assert count(variables["params"], "scale") == scales
    assert ("batch_stats" in variables) == (norm == "batch")


def test_ultrasound_parameters(shapes_of, count):
    variables = shapes_of(SRResNetUltrasound(4, 0, 64, 5, "batch", False), 1, 8, 8, 1)
    params = variables["params"]
    # First 9*9*64 = 5184; eleven 36864; log2(4) = 2 up 3*3*64*128 = 73728; last 5184.
    assert count(params, "kernel") == 5184 + 11 * 36864 + 2 * 73728 + 5184
    assert count(params, "slope") == (1 + 5 + 2) * 64
    assert count(params, "bias") == 64 + 11 * 64 + 2 * 128 + 1
    assert count(params, "scale") == 11 * 64


def test_slopes_are_shared_by_the_pixels(shapes_of):
    params = shapes_of(SRResNetCT(8, 1, 1, "none", False), 1, 8, 8, 1)["params"]
    leaves = jax.tree_util.tree_leaves_with_path(params)
    slopes = [v for path, v in leaves if "slope" in jax.tree_util.keystr(path)]
    assert [slope.shape for slope in slopes] == [(8,)] * 4


def test_slope_acts_on_negative_values_only():
    variables = {"params": {"slope": jnp.array([0.25, 0.5])}}
    found = PReLU().apply(variables, jnp.array([[-2.0, -2.0], [3.0, 0.0]]))
    np.testing.assert_array_equal(found, [[-0.5, -1.0], [3.0, 0.0]])


@pytest.mark.parametrize("shape", [(16, 16), (32, 16), (16, 48)])
@pytest.mark.parametrize("num_shuffles", [0, 1, 4])
def test_ct_keeps_the_size(shapes_of, num_shuffles, shape):
    model = SRResNetCT(2, 1, num_shuffles, "batch", True)
    variables = shapes_of(model, 1, 16, 16, 1)  # parameters fit every size
    found = jax.eval_shape(
        lambda v, x: model.apply(v, x, train=False),
        variables,
        jnp.zeros((2, *shape, 1)),
    )
    assert (found.shape, found.dtype) == ((2, *shape, 1), jnp.float32)


@pytest.mark.parametrize("factor", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("shape", [(7, 5), (16, 4)])
def test_ultrasound_widens_only(shapes_of, factor, shape):
    model = SRResNetUltrasound(factor, factor - 1, 2, 1, "group", True)
    image = jnp.zeros((2, *shape, 1))
    found = jax.eval_shape(
        lambda v, x: model.apply(v, x, train=False),
        shapes_of(model, *image.shape),
        image,
    )
    height, width = shape
    assert found.shape == (2, height, width * factor, 1)
    assert found.dtype == jnp.float32


@pytest.mark.parametrize("factor", [0, 3, -2])
def test_ultrasound_factor_must_be_a_power_of_two(shapes_of, factor):
    with pytest.raises(ValueError, match=f"factor = {factor}: expected a power of two"):
        shapes_of(SRResNetUltrasound(factor), 1, 8, 8, 1)


def test_a_size_that_does_not_divide_is_continued_and_cut(fill):
    image = image_like(1, 6, 9, 1)
    model = SRResNetCT(2, 1, 2)
    variables = fill(model, 1, 8, 12, 1)
    whole = np.pad(image, [(0, 0), (0, 2), (0, 3), (0, 0)], mode="edge")
    found, padded = (
        jax.jit(lambda x: model.apply(variables, x, train=False))(x)
        for x in (image, whole)
    )
    assert found.shape == image.shape
    np.testing.assert_array_equal(found, padded[:, :6, :9])


def test_global_skip_starts_as_the_identity():
    image = image_like(1, 8, 8, 1)
    model = SRResNetCT(2, 0, 0, "none", True)

    @jax.jit
    def start(key):
        found, variables = model.init_with_output(key, image, train=False)
        half = SRResNetCT(2, 0, 0, "none", True, "bfloat16")
        return found, half.apply(variables, image, train=False), variables["params"]

    found, half, params = start(jax.random.key(0))
    np.testing.assert_array_equal(found, image)
    np.testing.assert_array_equal(half, image)
    # The other kernels start elsewhere, and the last one can leave zero.
    assert np.abs(params["Conv_0"]["kernel"]).max() > 0
    gradients = jax.jit(
        jax.grad(lambda p: (model.apply({"params": p}, image, train=True) ** 2).sum())
    )(params)
    assert np.abs(gradients["output"]["kernel"]).max() > 1e-3


def test_global_skip_starts_as_the_aligned_interpolation(fill):
    image = image_like(1, 8, 8, 1)
    model = SRResNetUltrasound(4, 1, 2, 0, "none", True)
    variables = fill(model, 1, 8, 8, 1)
    run = jax.jit(lambda v: model.apply(v, image, train=False))
    output = jax.tree.map(jnp.zeros_like, variables["params"]["output"])
    start = {"params": {**variables["params"], "output": output}}
    found = run(start)
    np.testing.assert_allclose(
        found,
        aligned_columns(image, factor=4, offset=1, interpolation="cubic"),
        rtol=0,
        atol=1e-6,
    )
    np.testing.assert_allclose(found[:, :, 1::4], image, rtol=0, atol=1e-6)
    assert np.abs(run(variables) - found).max() > 1e-3


@pytest.mark.parametrize(
    ("kind", "norm", "skip"),
    [
        ("ct", "batch", True),
        ("ct", "none", False),
        ("ultrasound", "group", True),
        ("ultrasound", "batch", False),
    ],
)
def test_every_gradient_is_finite_and_non_zero(fill, kind, norm, skip):
    image = image_like(2, 8, 8, 1)
    if kind == "ct":
        model = SRResNetCT(4, 1, 1, norm, skip)
    else:
        model = SRResNetUltrasound(2, 0, 4, 1, norm, skip)
    variables = fill(model, 1, 8, 8, 1)
    params = variables.pop("params")

    def loss(params):
        result, changed = model.apply(
            {"params": params, **variables}, image, train=True, mutable=["batch_stats"]
        )
        return (result**2).mean(), changed

    gradients, changed = jax.jit(jax.grad(loss, has_aux=True))(params)
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(gradient).all(), name
        assert np.abs(gradient).max() > 1e-6, name
    old, new = jax.tree.leaves(variables), jax.tree.leaves(changed)
    assert len(old) == len(new) == (6 if norm == "batch" else 0)
    for before, after in zip(old, new, strict=True):
        assert np.abs(before - after).max() > 0


def test_averages_stand_still_in_evaluation(fill):
    image = image_like(2, 4, 4, 1)
    model = SRResNetCT(2, 0, 0, "batch", False)
    variables = fill(model, 1, 4, 4, 1)

    @jax.jit
    def evaluate(variables, image):
        return model.apply(variables, image, train=False, mutable=["batch_stats"])

    both, changed = evaluate(variables, image)
    for old, new in zip(
        jax.tree.leaves(variables["batch_stats"]), jax.tree.leaves(changed), strict=True
    ):
        np.testing.assert_array_equal(old, new)
    # An image's result does not depend on its neighbour in the batch.
    other, _ = evaluate(variables, image.at[1].add(1.0))
    np.testing.assert_array_equal(both[0], other[0])


@pytest.mark.parametrize("kind", ["ct", "ultrasound"])
def test_bfloat16_is_close_and_keeps_float32_outside(fill, kind):
    image = image_like(1, 16, 16, 1)

    def run(dtype):
        if kind == "ct":
            model = SRResNetCT(8, 1, 1, "group", False, dtype)
        else:
            model = SRResNetUltrasound(2, 0, 8, 1, "group", False, dtype)
        variables = fill(model, 1, 16, 16, 1)
        dtypes = {leaf.dtype for leaf in jax.tree.leaves(variables)}
        assert dtypes == {jnp.dtype("float32")}
        found = jax.jit(lambda v: model.apply(v, image, train=False))(variables)
        assert found.dtype == jnp.float32
        return found

    exact, half = run("float32"), run("bfloat16")
    error = np.linalg.norm(exact - half) / np.linalg.norm(exact)
    assert 1e-5 < error < 0.03


def test_jit_equals_eager(fill):
    image = image_like(1, 4, 4, 1)
    model = SRResNetCT(2, 1, 1, "batch", False)
    variables = fill(model, 1, 4, 4, 1)
    eager = model.apply(variables, image, train=False)
    compiled = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, image)
    np.testing.assert_allclose(eager, compiled, rtol=1e-5, atol=1e-6)


def test_moves_with_its_input(fill):
    # One shuffle: a shift by 2 pixels passes through, away from the border. To each
    # side a pixel sees 1 (first), 2 (down), 3 convolutions of 2 (block and end),
    # 2 (up), 4 (last) and a pixel for the phase of the shuffle: under 17.
    image = image_like(1, 48, 48, 1)
    model = SRResNetCT(2, 1, 1, "none", False)
    variables = fill(model, 1, 8, 8, 1)
    run = jax.jit(lambda x: model.apply(variables, x, train=False))
    base, moved = run(image), run(jnp.roll(image, (2, 4), (1, 2)))
    np.testing.assert_allclose(
        moved[:, 22:28, 22:28], base[:, 20:26, 18:24], rtol=1e-4, atol=1e-6
    )
    far = run(image.at[:, :8].add(1.0))
    np.testing.assert_array_equal(far[:, 25:], base[:, 25:])
    assert np.abs(far - base)[:, 8:12].max() > 1e-4

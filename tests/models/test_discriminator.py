import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.models import Discriminator


def image_like(*shape):
    values = np.random.default_rng(0).uniform(0, 1, shape)
    return jnp.asarray(values, jnp.float32)


# 9 * inputs * outputs of the eight convolutions at width 64.
CONVOLUTIONS = 9 * (
    1 * 64
    + 64 * 64
    + 64 * 128
    + 128 * 128
    + 128 * 256
    + 256 * 256
    + 256 * 512
    + 512 * 512
)
# Channels behind the first convolution: each has a norm's scale and bias.
NORMED = 64 + 2 * 128 + 2 * 256 + 2 * 512


@pytest.mark.parametrize(
    ("head", "features"),
    # pooled: the 512 channels; dense: 512/16 = 32 pixels a side of 512 channels.
    [("pooled", 512), ("dense", 32 * 32 * 512)],
)
def test_parameters(shapes_of, count, head, features):
    params = shapes_of(Discriminator(64, "batch", head), 1, 512, 512, 1)["params"]
    dense = features * 1024 + 1024
    assert CONVOLUTIONS == 4_682_304
    assert count(params, "Conv") == CONVOLUTIONS + 64  # the first has a bias
    assert count(params, "BatchNorm") == 2 * NORMED
    assert count(params) == CONVOLUTIONS + 64 + 2 * NORMED + dense + 1024 + 1
    if head == "dense":
        assert dense == 536_871_936


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
def test_norm_variants(shapes_of, count, norm):
    variables = shapes_of(Discriminator(8, norm), 1, 16, 16, 1)
    normed = NORMED // 8
    assert ("batch_stats" in variables) == (norm == "batch")
    scales = count(variables["params"], "scale")
    assert scales == (0 if norm == "none" else normed)
    # 8 + 1024 + 1 biases of first and head; norm or convolution biases.
    assert count(variables["params"], "bias") == 8 + normed + 1024 + 1


@pytest.mark.parametrize("shape", [(16, 16), (24, 40), (17, 33)])
def test_pooled_head_takes_any_size(shapes_of, shape):
    model = Discriminator(2, "batch", "pooled", "bfloat16")
    found = jax.eval_shape(
        lambda v, x: model.apply(v, x, train=False),
        shapes_of(model, 1, 16, 16, 1),
        jnp.zeros((3, *shape, 1)),
    )
    assert (found.shape, found.dtype) == ((3,), jnp.float32)


@pytest.mark.parametrize(
    ("norm", "head"), [("batch", "pooled"), ("group", "dense"), ("none", "pooled")]
)
def test_gradients_and_averages(fill, norm, head):
    images = image_like(2, 32, 32, 1)
    model = Discriminator(2, norm, head)
    variables = fill(model, *images.shape)
    params = variables.pop("params")

    def loss(params, images):
        logits, changed = model.apply(
            {"params": params, **variables},
            images,
            train=True,
            mutable=["batch_stats"],
        )
        return jax.nn.softplus(-logits * jnp.array([1.0, -1.0])).sum(), changed

    gradients, changed = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, images)
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(gradient).all(), name
        assert np.abs(gradient).max() > 0, name
    old, new = jax.tree.leaves(variables), jax.tree.leaves(changed)
    assert len(old) == len(new) == (14 if norm == "batch" else 0)
    for a, b in zip(old, new, strict=True):
        assert np.abs(a - b).max() > 0


def test_bfloat16_is_close(fill):
    images = image_like(2, 16, 16, 1)

    def run(dtype):
        model = Discriminator(4, "none", "pooled", dtype)
        variables = fill(model, *images.shape)
        dtypes = {leaf.dtype for leaf in jax.tree.leaves(variables)}
        assert dtypes == {jnp.dtype("float32")}
        return jax.jit(lambda v: model.apply(v, images, train=False))(variables)

    exact, half = run("float32"), run("bfloat16")
    error = np.linalg.norm(exact - half) / np.linalg.norm(exact)
    assert 1e-5 < error < 0.05

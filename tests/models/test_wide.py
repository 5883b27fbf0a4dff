import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.image.resize import aligned_columns
from sisr_jax.models import WideDiscriminator, WideSRResNet


def images(*shape):
    return jnp.asarray(np.random.default_rng(0).uniform(0, 1, shape), jnp.float32)


def test_parameters(shapes_of, count):
    params = shapes_of(WideSRResNet(), 1, 16, 16, 1)["params"]
    # First 3*3*16*256; ten in the blocks and one behind them; last 3*3*256*16.
    assert count(params, "kernel") == 2 * 9 * 16 * 256 + 11 * 9 * 256**2
    model = WideDiscriminator(4, (256, 512, 512, 512), (1, 2, 1, 2))
    params = shapes_of(model, 1, 32, 32, 1)["params"]
    convolutions = 9 * (16 * 256 + 256 * 512 + 2 * 512**2)
    assert count(params, "Conv") == convolutions + 256  # the first has a bias
    assert count(params, "Dense") == 512 * 1024 + 1024 + 1024 + 1


@pytest.mark.parametrize(
    ("factor", "shape"), [(1, (8, 12)), (2, (8, 6)), (4, (8, 3)), (16, (4, 2))]
)
def test_starts_as_its_input_at_the_size_of_the_result(factor, shape):
    image = images(2, *shape, 1)
    model = WideSRResNet(width=8, num_blocks=1, factor=factor, offset=factor - 1)
    found, _ = jax.jit(lambda key: model.init_with_output(key, image, train=False))(
        jax.random.key(0)
    )
    expected = aligned_columns(
        image, factor=factor, offset=factor - 1, interpolation="cubic"
    )
    assert (found.shape, found.dtype) == (expected.shape, jnp.float32)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_moves_with_its_input_by_whole_blocks(fill):
    image = images(1, 64, 64, 1)
    model = WideSRResNet(width=4, num_blocks=1, global_skip=False)
    variables = fill(model, 1, 8, 8, 1)
    run = jax.jit(lambda x: model.apply(variables, x, train=False))
    base, moved = run(image), run(jnp.roll(image, (4, 8), (1, 2)))
    # A pixel sees five convolutions of blocks of four to each side: 24 and its block.
    np.testing.assert_allclose(
        moved[:, 32:36, 36:40], base[:, 28:32, 28:32], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("norm", ["group", "none"])
def test_every_gradient_of_the_discriminator_is_there(fill, norm):
    model = WideDiscriminator(4, (4, 8, 8), (1, 2, 1), norm)
    image = images(2, 16, 24, 1)
    variables = fill(model, *image.shape)

    def loss(variables, image):
        logits = model.apply(variables, image, train=True)
        assert (logits.shape, logits.dtype) == ((2,), jnp.float32)
        return jax.nn.softplus(logits).sum()

    gradients = jax.jit(jax.grad(loss, (0, 1)))(variables, image)
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(gradient).all(), name
        assert np.abs(gradient).max() > 0, name


def test_a_size_that_does_not_divide_is_continued_and_cut(fill):
    image = images(1, 6, 9, 1)
    model = WideSRResNet(width=4, num_blocks=1)
    variables = fill(model, 1, 8, 12, 1)
    whole = jnp.pad(image, [(0, 0), (0, 2), (0, 3), (0, 0)], mode="edge")
    found, padded = (
        jax.jit(lambda x: model.apply(variables, x, train=False))(x)
        for x in (image, whole)
    )
    assert found.shape == image.shape
    np.testing.assert_array_equal(found, padded[:, :6, :9])

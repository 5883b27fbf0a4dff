import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.models.srresnet import SRResNetCT
from sisr_jax.models.unet import UNet


def images(*shape, seed=0):
    values = np.random.default_rng(seed).uniform(0, 1, shape)
    return jnp.asarray(values, jnp.float32)


def test_parameters(shapes_of, count):
    params = shapes_of(UNet((32, 64, 128)), 1, 64, 64, 5)["params"]
    # First 3*3*20*32, last 3*3*32*4; down 1*1*128*64 and 1*1*256*128; up 1*1*128*256
    # and 1*1*64*128; blocks of two 3*3*c*c: one at 32, two at 64 and at 128.
    ends = 9 * 20 * 32 + 9 * 32 * 4
    between = 128 * 64 + 256 * 128 + 128 * 256 + 64 * 128
    blocks = 2 * 9 * (32**2 + 2 * 64**2 + 2 * 128**2)
    assert count(params, "kernel") == ends + between + blocks
    # After the first and the two down; one in each block.
    assert count(params, "slope") == (32 + 64 + 128) + (32 + 2 * 64 + 2 * 128)


def test_untrained_network_returns_the_first_channel():
    estimate = images(2, 16, 16, 3)
    model = UNet((4, 8))
    variables = model.init(jax.random.key(0), estimate, train=False)
    output = model.apply(variables, estimate, train=True)
    np.testing.assert_array_equal(output, estimate[..., :1])


def test_output_depends_on_all_channels_and_parameters(fill):
    model = UNet((4, 8, 12))
    estimate = images(1, 16, 16, 2)
    variables = fill(model, *estimate.shape)

    def total(variables, estimate):
        return jnp.sum(model.apply(variables, estimate, train=True)[0, 4:8, 4:8] ** 2)

    by_parameter, by_pixel = jax.grad(total, (0, 1))(variables, estimate)
    for path, leaf in jax.tree_util.tree_leaves_with_path(by_parameter):
        assert jnp.abs(leaf).max() > 0, jax.tree_util.keystr(path)
    assert (jnp.abs(by_pixel).max((0, 1, 2)) > 0).all()


def test_far_pixels_are_seen_through_the_coarse_levels(fill):
    model = UNet((4, 8, 12), num_blocks=2)
    estimate = images(1, 24, 16, 2)
    variables = fill(model, *estimate.shape)
    output = model.apply(variables, estimate, train=False)
    assert output.shape == (1, 24, 16, 1)
    moved = model.apply(variables, estimate.at[0, 23, 15].add(1.0), train=False)
    assert jnp.abs(moved - output)[0, 2, 2] > 0


def test_bfloat16_computes_in_it_and_returns_float32(fill):
    estimate = images(1, 16, 16, 3)
    variables = fill(UNet((4, 8)), *estimate.shape)
    full = UNet((4, 8)).apply(variables, estimate, train=False)
    half = UNet((4, 8), dtype=jnp.bfloat16).apply(variables, estimate, train=False)
    assert half.dtype == jnp.float32
    correction = full - estimate[..., :1]
    error = jnp.linalg.norm(half - full) / jnp.linalg.norm(correction)
    assert 1e-5 < error < 0.03


@pytest.mark.parametrize(
    "model", [UNet((4, 8, 12)), SRResNetCT(4, 1, num_shuffles=3)], ids=["unet", "ct"]
)
def test_sizes_that_do_not_divide_are_continued_and_cut(fill, model):
    estimate = images(2, 13, 17, 1)
    variables = fill(model, *estimate.shape)
    found = model.apply(variables, estimate, train=False)
    assert found.shape == estimate.shape
    whole = jnp.pad(estimate, ((0, 0), (0, 3), (0, 7), (0, 0)), mode="edge")
    expected = model.apply(variables, whole, train=False)[:, :13, :17]
    np.testing.assert_array_equal(found, expected)
    assert jnp.abs(found - estimate).max() > 0

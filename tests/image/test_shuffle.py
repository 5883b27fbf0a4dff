import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.image.shuffle import (
    depth_to_space,
    depth_to_width,
    space_to_depth,
    width_to_depth,
)


def numbered(*shape):
    return jnp.arange(np.prod(shape), dtype=jnp.float32).reshape(shape)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_space_and_depth_are_inverse(factor, batch):
    image = numbered(*batch, 12, 24, 2)
    folded = space_to_depth(image, factor)
    assert folded.shape == (*batch, 12 // factor, 24 // factor, 2 * factor**2)
    np.testing.assert_array_equal(depth_to_space(folded, factor), image)
    deep = numbered(*batch, 3, 5, 2 * factor**2)
    np.testing.assert_array_equal(
        space_to_depth(depth_to_space(deep, factor), factor), deep
    )


def test_channel_order_is_reading_order_of_the_block():
    image = numbered(4, 6, 3)
    folded = space_to_depth(image, 2)
    for row in range(2):
        for column in range(2):
            first = (row * 2 + column) * 3
            np.testing.assert_array_equal(
                folded[..., first : first + 3], image[row::2, column::2]
            )


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_depth_to_width_interleaves_channels_into_columns(factor, batch):
    deep = numbered(*batch, 3, 5, 2 * factor)
    wide = depth_to_width(deep, factor)
    assert wide.shape == (*batch, 3, 5 * factor, 2)
    for i in range(factor):
        np.testing.assert_array_equal(
            wide[..., i::factor, :], deep[..., 2 * i : 2 * i + 2]
        )
    np.testing.assert_array_equal(width_to_depth(wide, factor), deep)


@pytest.mark.parametrize(
    ("shuffle", "shape", "factor", "words"),
    [
        (space_to_depth, (6, 9, 1), 2, "factor 2 .* height 6 and the width 9"),
        (space_to_depth, (9, 6, 1), 2, "height 9 and the width 6"),
        (space_to_depth, (4, 4, 1), 0, "factor = 0: expected at least 1"),
        (depth_to_space, (4, 4, 6), 2, "factor 2 .* divide the 6 channels"),
        (depth_to_space, (4, 4, 4), -2, "factor = -2: expected at least 1"),
        (depth_to_width, (4, 4, 3), 2, "factor 2 .* divide the 3 channels"),
        (depth_to_width, (4, 4, 3), 0, "factor = 0: expected at least 1"),
        (width_to_depth, (4, 5, 1), 2, "factor 2 .* divide the width 5"),
        (width_to_depth, (4, 4, 1), 0, "factor = 0: expected at least 1"),
    ],
)
def test_what_does_not_divide_is_refused(shuffle, shape, factor, words):
    with pytest.raises(ValueError, match=words):
        shuffle(jnp.zeros(shape), factor)


@pytest.mark.parametrize(
    "shuffle", [space_to_depth, depth_to_space, depth_to_width, width_to_depth]
)
def test_compiled_mapped_and_differentiated(shuffle):
    image = numbered(2, 4, 4, 4)
    expected = shuffle(image, 2)
    np.testing.assert_array_equal(
        jax.jit(shuffle, static_argnums=1)(image, 2), expected
    )
    np.testing.assert_array_equal(jax.vmap(lambda x: shuffle(x, 2))(image), expected)
    # A permutation: the transpose of the map carries the result back to the image.
    _, pull_back = jax.vjp(lambda x: shuffle(x, 2), image)
    np.testing.assert_array_equal(pull_back(expected)[0], image)

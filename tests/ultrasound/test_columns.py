import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.ultrasound import decimate_columns


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
@pytest.mark.parametrize(("factor", "offset"), [(1, 0), (4, 0), (4, 3), (12, 5)])
def test_keeps_the_named_columns(batch, factor, offset):
    shape = (*batch, 5, 12)
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    kept = decimate_columns(image, factor=factor, offset=offset)
    expected = np.stack([image[..., i] for i in range(offset, 12, factor)], -1)
    np.testing.assert_array_equal(kept, expected)


def test_keeps_from_the_first_line_on_by_default():
    kept = decimate_columns(jnp.eye(8), factor=4)
    np.testing.assert_array_equal(kept, jnp.eye(8)[:, [0, 4]])


def test_transforms_compose():
    images = jnp.arange(48.0).reshape(2, 3, 8)

    def energy(image):
        return (decimate_columns(image, factor=2, offset=1) ** 2).sum() / 2

    kept = images.at[..., ::2].set(0)
    gradient = jax.jit(jax.vmap(jax.grad(energy)))(images)
    np.testing.assert_array_equal(gradient, kept)
    twice = jax.jvp(jax.grad(energy), (images,), (images,))[1]
    np.testing.assert_array_equal(twice, kept)
    transpose = jax.linear_transpose(lambda x: decimate_columns(x, factor=4), images)
    ones = transpose(jnp.ones((2, 3, 2)))[0]
    assert ones.sum() == 12
    assert ones[..., ::4].all()


def test_an_axis_of_channels_is_named():
    with pytest.raises(ValueError, match=r"\(4, 8, 1\), which has an axis of channels"):
        decimate_columns(jnp.zeros((4, 8, 1)), factor=2)


def test_result_type():
    for dtype in ("uint8", "float16", "bfloat16", "float32"):
        kept = decimate_columns(jnp.ones((2, 4), dtype), factor=2)
        assert kept.dtype == np.float32


def test_double_precision_stays():
    jax.config.update("jax_enable_x64", True)
    try:
        assert decimate_columns(np.ones((2, 4)), factor=2).dtype == np.float64
    finally:
        jax.config.update("jax_enable_x64", False)


@pytest.mark.parametrize(
    ("factor", "offset", "message"),
    [
        (3, 0, r"factor = 3: .* width, image of shape \(2, 8\)$"),
        (16, 0, "factor = 16"),
        (0, 0, "factor = 0: expected at least 1"),
        (-2, 0, "factor = -2"),
        (4, 4, "offset = 4: expected 0 <= offset < factor = 4"),
        (4, -1, "offset = -1"),
    ],
)
def test_impossible_decimation(factor, offset, message):
    with pytest.raises(ValueError, match=message):
        decimate_columns(jnp.zeros((2, 8)), factor=factor, offset=offset)

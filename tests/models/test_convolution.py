import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from sisr_jax.models import convolution
from sisr_jax.models.convolution import convolve


def reference(image, kernel, stride=1):
    return jax.lax.conv_general_dilated(
        image,
        kernel,
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def draw(batch, shape, size, inputs, outputs):
    random = np.random.default_rng(0)
    image = random.standard_normal((batch, *shape, inputs), np.float32)
    return image, random.standard_normal((size, size, inputs, outputs), np.float32)


def gradients(function, image, kernel, stride):
    # The sine makes the cotangent differ from pixel to pixel.
    def total(image, kernel):
        result = function(image, kernel, stride)
        return jnp.sin(result).sum(), result

    found, result = jax.jit(jax.grad(total, (0, 1), has_aux=True))(image, kernel)
    return result, *found


def relative_error(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@pytest.mark.parametrize(
    ("block", "batch", "shape", "size", "inputs", "outputs", "stride"),
    [
        (40, 1, (12, 8), 3, 4, 6, 1),  # the image moves
        (40, 2, (12, 8), 3, 6, 4, 1),  # the cotangent moves, taps are mirrored
        (40, 1, (12, 20), 9, 5, 1, 1),  # last layer
        (40, 1, (12, 20), 3, 1, 5, 1),  # first layer
        (40, 2, (12, 8), 3, 4, 6, 2),  # discriminator
        (20, 2, (13, 9), 3, 6, 4, 2),  # odd sizes pad on both sides
        (40, 1, (11, 7), 3, 2, 2, 1),  # a prime number of rows: blocks of one row
        (4096, 1, (12, 8), 3, 4, 6, 1),  # one block
    ],
)
def test_equals_lax_convolution(
    monkeypatch, block, batch, shape, size, inputs, outputs, stride
):
    monkeypatch.setattr(convolution, "_BLOCK_PIXELS", block)
    monkeypatch.setattr(convolution, "_BATCH_BYTES", 0)
    image, kernel = draw(batch, shape, size, inputs, outputs)
    found = gradients(convolve, image, kernel, stride)
    expected = gradients(reference, image, kernel, stride)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert relative_error(a, b) < 1e-5


@pytest.mark.parametrize("outputs", [2, 6])
def test_bfloat16_sums_in_float32(monkeypatch, outputs):
    monkeypatch.setattr(convolution, "_BLOCK_PIXELS", 40)
    monkeypatch.setattr(convolution, "_BATCH_BYTES", 0)
    image, kernel = draw(1, (64, 32), 3, 4, outputs)
    exact = gradients(reference, image, kernel, 1)[2]
    half = gradients(
        convolve, image.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16), 1
    )[2]
    assert half.dtype == jnp.bfloat16
    assert relative_error(half, exact) < 0.05


@pytest.mark.parametrize(
    ("platform", "batch", "size", "width", "loops"),
    [
        ("cpu", 1, 9, 2, True),
        ("cpu", 1, 3, 512, True),  # one example is too large for the cache,
        ("cpu", 5, 3, 128, True),  # or all of them are
        ("cpu", 4, 3, 128, False),
        ("tpu", 1, 9, 2, False),
        ("cuda", 1, 9, 2, False),
    ],
)
def test_only_the_cpu_takes_blocks_of_what_is_large(
    platform, batch, size, width, loops
):
    image = jnp.zeros((batch, 128, 64, width))
    kernel = jnp.zeros((size, size, width, 2))
    gradient = jax.jit(jax.grad(lambda k: convolve(image, k).sum()))
    program = gradient.trace(kernel).lower(lowering_platforms=(platform,)).as_text()
    assert ("stablehlo.while" in program) == loops


def test_sharded_batch_meets_once(monkeypatch):
    monkeypatch.setattr(convolution, "_BLOCK_PIXELS", 64)
    monkeypatch.setattr(convolution, "_BATCH_BYTES", 0)
    image, kernel = draw(4, (16, 8), 3, 4, 6)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    split = NamedSharding(mesh, PartitionSpec("data"))
    whole = NamedSharding(mesh, PartitionSpec())

    def total(image, kernel):
        return jnp.sin(convolve(image, kernel)).sum()

    step = jax.jit(jax.grad(total, 1), in_shardings=(split, whole), out_shardings=whole)
    compiled = step.lower(image, kernel).compile()
    text = compiled.as_text()
    program, loops = text[text.index("ENTRY") :], text[: text.index("ENTRY")]
    assert program.count(" all-reduce(") == 1
    assert " while(" in program
    assert "all-reduce(" not in loops
    assert "all-gather" not in text
    assert "all-to-all" not in text
    found = compiled(jax.device_put(image, split), jax.device_put(kernel, whole))
    assert relative_error(found, gradients(reference, image, kernel, 1)[2]) < 1e-5


def test_second_derivative_and_vmap(monkeypatch):
    monkeypatch.setattr(convolution, "_BLOCK_PIXELS", 40)
    monkeypatch.setattr(convolution, "_BATCH_BYTES", 0)
    image, kernel = draw(2, (12, 8), 3, 2, 3)

    def penalty(function, kernel):  # as R1: the gradient's size, differentiated
        slope = jax.grad(lambda x: jnp.sin(function(x, kernel)).sum())(image)
        return (slope**2).sum()

    a = jax.jit(jax.grad(lambda k: penalty(convolve, k)))(kernel)
    b = jax.jit(jax.grad(lambda k: penalty(reference, k)))(kernel)
    assert relative_error(a, b) < 1e-5
    mapped = jax.jit(jax.vmap(lambda x: convolve(x[None], kernel)[0]))(image)
    assert relative_error(mapped, reference(image, kernel)) < 1e-6


@pytest.mark.parametrize("shape", [(2, 2, 1, 1), (3, 1, 1, 1)])
def test_even_or_oblong_kernel_is_refused(shape):
    with pytest.raises(ValueError, match="expected a square with an odd side"):
        convolve(jnp.zeros((1, 4, 4, 1)), jnp.zeros(shape))


def test_impulse_shows_the_kernel():
    # Cross-correlation: an impulse shows the kernel turned by 180 degrees.
    kernel = jnp.arange(9.0).reshape(3, 3, 1, 1)
    image = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2, 0].set(1.0)
    seen = convolve(image, kernel)[0, 1:4, 1:4, 0]
    np.testing.assert_array_equal(seen, kernel[::-1, ::-1, 0, 0])

"""Packed convolutions and networks against those that they stand for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from sisr_jax.image.shuffle import depth_to_space, depth_to_width, space_to_depth
from sisr_jax.models import Discriminator, SRResNetCT, SRResNetUltrasound
from sisr_jax.models import packing as room
from sisr_jax.models.packing import (
    PLAIN,
    Form,
    Packing,
    convolve_packed,
    repack,
    spread,
)

SQUARE, PAIR = Packing(2, 2), Packing(1, 2)


def unfold(image, block):
    """Space-to-depth by squares."""
    return space_to_depth(image, block.rows)


def fold(image, block):
    """Depth-to-space by squares or along the width."""
    if block.rows == 1:
        return depth_to_width(image, block.columns)
    return depth_to_space(image, block.rows)


def convolution(image, kernel, stride=1):
    return jax.lax.conv_general_dilated(
        image,
        kernel,
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def meant(image, kernel, form):
    result = convolution(unfold(image, form.unshuffle), kernel, form.stride)
    return fold(result, form.shuffle)


def packed(image, kernel, form):
    image = repack(image, packing=PLAIN, into=form.packing)
    result = convolve_packed(image, kernel, form)
    return repack(result, packing=form.into, into=PLAIN)


def with_gradients(function, *arguments):
    """The result, and the gradients of a sum whose cotangent differs by pixel."""

    def total(*arguments):
        result = function(*arguments)
        return jnp.sin(result).sum(), result

    places = tuple(range(len(arguments)))
    found, result = jax.jit(jax.grad(total, places, has_aux=True))(*arguments)
    return [result, *jax.tree.leaves(found)]


def assert_close(found, expected, tolerance=1e-5):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


@pytest.fixture(params=["tpu", "other"])
def platform(monkeypatch, request):
    """Takes the program of a TPU, or that of other platforms, on any."""

    def platform_dependent(*operands, default, tpu=None, **_):
        chosen = tpu if request.param == "tpu" and tpu else default
        return chosen(*operands)

    monkeypatch.setattr(room.lax, "platform_dependent", platform_dependent)
    return request.param


on_a_tpu = pytest.mark.parametrize("platform", ["tpu"], indirect=True)


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize(
    ("size", "shape", "form"),
    [
        (3, (7, 9), Form()),
        (3, (7, 9), Form(stride=2)),
        (3, (8, 12), Form(packing=SQUARE, into=SQUARE)),
        (3, (8, 12), Form(packing=PAIR, into=Packing(1, 4))),
        (3, (8, 12), Form(stride=2, packing=SQUARE)),
        (3, (8, 16), Form(stride=2, packing=Packing(2, 4), into=PAIR)),
        (3, (10, 6), Form(stride=2, packing=PAIR)),  # five rows: pads on both sides
        (3, (8, 12), Form(unshuffle=SQUARE, packing=SQUARE)),
        (3, (8, 16), Form(unshuffle=SQUARE, packing=Packing(2, 4), into=PAIR)),
        (3, (8, 12), Form(shuffle=SQUARE, into=SQUARE)),
        (3, (8, 12), Form(shuffle=SQUARE, packing=PAIR, into=Packing(2, 4))),
        (3, (7, 12), Form(shuffle=PAIR, packing=PAIR, into=Packing(1, 4))),
        (9, (8, 12), Form(packing=SQUARE, into=Packing(4, 4))),
        (9, (4, 4), Form(packing=SQUARE, into=SQUARE)),  # larger than the image
        (1, (8, 12), Form(packing=SQUARE, into=SQUARE)),
    ],
)
def test_equals_the_convolution_that_is_meant(size, shape, form):
    random = np.random.default_rng(0)
    image = random.standard_normal((2, *shape, 3), np.float32)
    inputs, outputs = 3 * form.unshuffle.pixels, 2 * form.shuffle.pixels
    kernel = random.standard_normal((size, size, inputs, outputs), np.float32)
    assert_close(
        with_gradients(lambda x, k: packed(x, k, form), image, kernel),
        with_gradients(lambda x, k: meant(x, k, form), image, kernel),
    )


@pytest.mark.usefixtures("platform")
def test_bfloat16_rounds_result_and_weights_once():
    random = np.random.default_rng(0)
    image = jnp.asarray(random.standard_normal((2, 8, 8, 3)), jnp.bfloat16)
    kernel = jnp.asarray(random.standard_normal((3, 3, 3, 4)), jnp.float32)
    form = Form(packing=SQUARE, into=SQUARE)
    found = with_gradients(lambda x, k: packed(x, k, form), image, kernel)
    assert [each.dtype for each in found] == ["bfloat16", "bfloat16", "float32"]
    rounded = kernel.astype(jnp.bfloat16).astype(jnp.float32)
    exact = meant(image.astype(jnp.float32), rounded, form)
    assert_close([found[0]], [exact], 2**-8)


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        (Form(packing=SQUARE, into=PLAIN), (4, 4)),  # would need a step of a half
        (Form(shuffle=SQUARE, into=PAIR), (4, 4)),
        (Form(unshuffle=SQUARE), (5, 4)),
        (Form(into=SQUARE), (4, 3)),
    ],
)
def test_blocks_that_do_not_divide_are_refused(form, shape):
    kernel = jnp.zeros((3, 3, form.unshuffle.pixels, 4))
    with pytest.raises(ValueError, match="no convolution by stride 1 into packing"):
        convolve_packed(jnp.zeros((1, *shape, form.packing.pixels)), kernel, form)


@pytest.mark.parametrize("block", [SQUARE, PAIR, Packing(4, 4), Packing(2, 1)])
def test_packing_is_the_order_of_the_shuffles_and_back(block):
    image = jnp.arange(2 * 8 * 4 * 3.0).reshape(2, 8, 4, 3)
    found = repack(image, packing=PLAIN, into=block)
    assert found.shape == (2, 8 // block.rows, 4 // block.columns, 3 * block.pixels)
    if block != Packing(2, 1):
        np.testing.assert_array_equal(fold(found, block), image)
    for other in (PLAIN, SQUARE):
        np.testing.assert_array_equal(
            repack(found, packing=block, into=other),
            repack(image, packing=PLAIN, into=other),
        )


@pytest.mark.parametrize("shuffle", [PLAIN, PAIR, SQUARE])
def test_values_of_channels_go_where_the_channels_go(shuffle):
    values = jnp.arange(3.0 * shuffle.pixels)
    into = Packing(2, 4)
    pixels = jnp.broadcast_to(values, (1, 4, 4, values.size))
    expected = repack(
        repack(pixels, packing=shuffle, into=PLAIN), packing=PLAIN, into=into
    )[0, 0, 0]
    np.testing.assert_array_equal(spread(values, shuffle=shuffle, into=into), expected)


@on_a_tpu
@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize(
    ("size", "shape", "packing"),
    [
        (9, (16, 24), SQUARE),  # blocks of 4 x 8
        (9, (6, 12), PAIR),  # of 2 x 4
        (9, (8, 8), PLAIN),  # the kernel is larger than the image
        (3, (7, 9), PLAIN),  # no larger ones
        (1, (8, 8), SQUARE),
    ],
)
def test_an_image_of_one_channel_on_a_tpu(size, shape, packing):
    random = np.random.default_rng(0)
    image = random.standard_normal((2, *shape, 5), np.float32)
    kernel = random.standard_normal((size, size, 5, 1), np.float32)
    form = Form(packing=packing, into=packing)
    assert_close(
        with_gradients(lambda x, k: packed(x, k, form), image, kernel),
        with_gradients(lambda x, k: meant(x, k, form), image, kernel),
    )


@pytest.mark.parametrize(
    ("name", "window"), [("tpu", "12x16"), ("cpu", "9x9"), ("cuda", "9x9")]
)
def test_only_a_tpu_computes_larger_blocks_of_an_image(name, window):
    image, kernel = jnp.zeros((1, 32, 32, 4)), jnp.zeros((9, 9, 4, 1))
    traced = jax.jit(lambda x, k: convolve_packed(x, k, Form())).trace(image, kernel)
    program = traced.lower(lowering_platforms=(name,)).as_text()
    assert program.count("stablehlo.convolution") == 1
    assert f"tensor<{window}x4x" in program


@on_a_tpu
@pytest.mark.usefixtures("platform")
def test_a_sharded_batch_stays_apart():
    random = np.random.default_rng(0)
    image = random.standard_normal((4, 16, 8, 4), np.float32)
    kernel = random.standard_normal((5, 5, 4, 1), np.float32)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    split = NamedSharding(mesh, PartitionSpec("data"))
    whole = NamedSharding(mesh, PartitionSpec())
    form = Form(packing=SQUARE, into=SQUARE)

    def total(image, kernel):
        return jnp.sin(packed(image, kernel, form)).sum()

    step = jax.jit(
        jax.grad(total, (0, 1)),
        in_shardings=(split, whole),
        out_shardings=(split, whole),
    )
    text = step.lower(image, kernel).compile().as_text() or ""
    assert text.count(" all-reduce(") == 1  # of the gradient by the kernel
    for exchange in ("all-gather", "all-to-all", "collective-permute"):
        assert exchange not in text


def leaky(x, slope):
    return jnp.where(x >= 0, x, slope * x)


def plain_conv(params, name, x, stride=1):
    return convolution(x, params[name]["kernel"], stride) + params[name]["bias"]


def plain_trunk(params, x):
    """One block and the convolution behind it, without norm."""
    block = params["ResidualBlock_0"]
    y = leaky(plain_conv(block, "Conv_0", x), block["PReLU_0"]["slope"])
    y = x + plain_conv(block, "Conv_1", y)
    return x + plain_conv(params, "Conv_0", y)


def plain_ct(params, x, num_shuffles):
    slopes = [params[f"PReLU_{i}"]["slope"] for i in range(2 * num_shuffles + 1)]
    y = leaky(plain_conv(params, "Conv_0", x), slopes[0])
    for i in range(1, num_shuffles + 1):
        y = leaky(plain_conv(params, f"Conv_{i}", unfold(y, SQUARE)), slopes[i])
    y = plain_trunk(params["Trunk_0"], y)
    for i in range(num_shuffles + 1, 2 * num_shuffles + 1):
        y = leaky(fold(plain_conv(params, f"Conv_{i}", y), SQUARE), slopes[i])
    return x + plain_conv(params, "output", y)


def plain_ultrasound(params, x, num_shuffles):
    slopes = [params[f"PReLU_{i}"]["slope"] for i in range(num_shuffles + 1)]
    y = leaky(plain_conv(params, "Conv_0", x), slopes[0])
    y = plain_trunk(params["Trunk_0"], y)
    for i in range(1, num_shuffles + 1):
        y = leaky(fold(plain_conv(params, f"Conv_{i}", y), PAIR), slopes[i])
    return plain_conv(params, "output", y)


@pytest.mark.slow
@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize(
    ("model", "shape", "plain"),
    [
        (SRResNetCT(4, 1, 0, "none", True), (7, 5), plain_ct),
        (SRResNetCT(4, 1, 1, "none", True), (6, 10), plain_ct),
        (SRResNetCT(4, 1, 2, "none", True), (12, 20), plain_ct),
        (SRResNetUltrasound(1, 0, 4, 1, "none", False), (7, 5), plain_ultrasound),
        (SRResNetUltrasound(4, 0, 4, 1, "none", False), (7, 5), plain_ultrasound),
    ],
)
def test_generators_are_those_without_packing(fill, model, shape, plain):
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(2, *shape, 1)), "f4")
    params = fill(model, *image.shape)["params"]
    num_shuffles = sum(name.startswith("PReLU") for name in params)
    num_shuffles = (num_shuffles - 1) // (2 if plain is plain_ct else 1)

    def found(params, x):
        return model.apply({"params": params}, x, train=True)

    assert_close(
        with_gradients(found, params, image),
        with_gradients(lambda p, x: plain(p, x, num_shuffles), params, image),
    )


def plain_discriminator(params, x):
    y = leaky(plain_conv(params, "Conv_0", x), 0.2)
    for i in range(1, 8):
        y = leaky(plain_conv(params, f"Conv_{i}", y, stride=1 + i % 2), 0.2)
    y = y.mean((1, 2)) @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"]
    y = leaky(y, 0.2) @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"]
    return y[:, 0]


@pytest.mark.slow
@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize("shape", [(16, 24), (17, 33)])
def test_the_discriminator_is_that_without_packing(fill, shape):
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(2, *shape, 1)), "f4")
    model = Discriminator(4, "none")
    params = fill(model, *image.shape)["params"]

    def found(params, x):
        return model.apply({"params": params}, x, train=True)

    assert_close(
        with_gradients(found, params, image),
        with_gradients(plain_discriminator, params, image),
    )

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ellipse_phantom import project, rasterise
from skimage.transform import iradon

from sisr_jax.tomography import (
    ParallelBeam,
    angular_weights,
    back_project,
    fbp,
    plan,
    radon,
)

methods = pytest.mark.parametrize("method", ["matmul", "reference"])
as_skimage = functools.partial(fbp, method="reference", weights="uniform")
FILTERS = ["ramp", "shepp-logan", "cosine", "hamming", "hann", None]


def random_sinogram(beam, *batch):
    shape = (*batch, beam.num_angles, beam.num_detectors)
    return np.random.default_rng(beam.size).random(shape).astype(np.float32)


def reference(sinogram, beam, filter_name):
    return iradon(
        sinogram.astype(np.float64).T,
        np.rad2deg(beam.angles),
        output_size=beam.size,
        circle=False,
        filter_name=filter_name,
    )


def relative(value, expected):
    return np.linalg.norm(value - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("size", "k", "filter_name"),
    [
        *((n, 32, name) for n in (64, 101) for name in FILTERS),
        *((n, 100, "ramp") for n in (1, 2, 3, 4, 17, 100, 128)),
        *((64, k, "ramp") for k in (4, 8, 16)),
        *(pytest.param(n, 16, "hann", marks=pytest.mark.slow) for n in (256, 512)),
        *(pytest.param(n, 16, "ramp", marks=pytest.mark.slow) for n in (256, 512)),
    ],
)
def test_parity_with_skimage(size, k, filter_name):
    beam = ParallelBeam(size, 1000).every(k)
    sinogram = random_sinogram(beam)
    expected = reference(sinogram, beam, filter_name)
    assert (
        relative(as_skimage(sinogram, beam, filter_name=filter_name), expected) <= 2e-5
    )


@pytest.mark.parametrize("size", [1, 2, 4, 16, 17])
def test_pixels_on_the_last_detector(size):
    # At 180 degrees scikit-image loses some of them to rounding: next test.
    beam = ParallelBeam(size, angles=np.deg2rad([0, 45, 90, 135, 270, -30]))
    sinogram = random_sinogram(beam)
    image = as_skimage(sinogram, beam, filter_name=None)
    np.testing.assert_allclose(image, reference(sinogram, beam, None), atol=2e-6)


@pytest.mark.parametrize("size", [2, 4])
def test_half_a_turn_is_a_mirror(size):
    beam = ParallelBeam(size, angles=[np.pi])
    sinogram = random_sinogram(beam)
    detectors = beam.num_detectors // 2 - (np.arange(size) - size // 2)
    expected = np.broadcast_to(sinogram[0, detectors] * np.pi / 2, (size, size))
    np.testing.assert_allclose(
        as_skimage(sinogram, beam, filter_name=None), expected, rtol=1e-6
    )


@methods
def test_modes_and_leading_axes_agree(method):
    beam = ParallelBeam(12, 5)
    sinograms = jnp.asarray(random_sinogram(beam, 2, 3))
    expected = fbp(sinograms, beam, method=method)
    assert expected.shape == (2, 3, 12, 12)
    modes = {
        "jit": jax.jit(lambda x: fbp(x, beam, method=method))(sinograms),
        "vmap": jax.vmap(jax.vmap(lambda x: fbp(x, beam, method=method)))(sinograms),
        "single": jnp.stack(
            [fbp(x, beam, method=method) for x in sinograms.reshape(6, 5, -1)]
        ),
    }
    with jax.disable_jit():
        modes["eager"] = fbp(sinograms, beam, method=method)
    for name, value in modes.items():
        value = value.reshape(expected.shape)
        np.testing.assert_allclose(value, expected, atol=2e-6, err_msg=name)


@methods
def test_gradients(method):
    beam = ParallelBeam(8, 6)
    x, y = jnp.asarray(random_sinogram(beam, 2))
    weights = jnp.asarray(np.random.default_rng(2).random((8, 8)), jnp.float32)

    def operator(sinogram):
        return fbp(sinogram, beam, filter_name="hann", method=method)

    def energy(sinogram):
        return (operator(sinogram) ** 2).sum() / 2

    def slope(sinogram):
        return (jax.grad(energy)(sinogram) * y).sum()

    @jax.jit  # one program, since compiling takes the time here
    def everything(x, y):
        return {
            "image": operator(y),
            "jvp": jax.jvp(operator, (x,), (y,))[1],
            "grad": jax.grad(lambda s: (operator(s) * weights).sum())(x),
            "transpose": jax.vjp(operator, y)[1](weights)[0],
            "grad(energy)": jax.grad(energy)(y),
            "vmap(grad(grad))": jax.vmap(jax.grad(slope))(x[None])[0],
        }

    got = everything(x, y)
    for left, right in [
        ("image", "jvp"),
        ("grad", "transpose"),
        ("grad(energy)", "vmap(grad(grad))"),
    ]:
        np.testing.assert_allclose(got[left], got[right], rtol=1e-4, atol=1e-6)
    gap = jnp.vdot(got["image"], weights) - jnp.vdot(y, got["transpose"])
    assert abs(gap) < 1e-6 * jnp.linalg.norm(got["image"]) * jnp.linalg.norm(weights)


@methods
def test_reconstructs_the_phantom_from_its_exact_projections(method):
    beam = ParallelBeam(64, 180)
    image = rasterise(64)
    exact = project(64, beam.angles, beam.num_detectors)
    error = fbp(exact, beam, method=method) - image
    assert np.sqrt((error**2).mean()) < 0.12
    assert abs(error.mean()) < 2e-3


def test_weights_by_gaps_are_nearer_to_the_phantom():
    beam, image = ParallelBeam(64, 1000).every(32), rasterise(64)
    offset = np.arange(64) - 32
    inside = np.hypot(offset, offset[:, None]) < 31
    views = project(64, beam.angles, beam.num_detectors)
    errors = {
        weights: relative(fbp(views, beam, weights=weights)[inside], image[inside])
        for weights in ("gaps", "uniform")
    }
    assert errors["gaps"] < 0.98 * errors["uniform"]


@methods
def test_a_view_without_weight_does_not_count(method):
    beam = ParallelBeam(12, 8)
    views = random_sinogram(beam, 2)
    weights = np.tile(angular_weights(beam.every(2)).repeat(2), (2, 1))
    weights[:, 1::2] = 0
    np.testing.assert_allclose(
        fbp(views, beam, method=method, weights=weights),
        fbp(views[:, ::2], beam.every(2), method=method),
        atol=2e-6,
    )


def test_other_types_are_computed_in_single_precision():
    beam = ParallelBeam(8, 5)
    for dtype in ("float16", "bfloat16", "int32", "float32"):
        assert fbp(random_sinogram(beam).astype(dtype), beam).dtype == np.float32


def test_double_precision(double_precision):
    beam = ParallelBeam(8, 5)
    sinogram = random_sinogram(beam).astype(np.float64)
    image = as_skimage(sinogram, beam, filter_name="hamming")
    assert image.dtype == np.float64
    assert relative(image, reference(sinogram, beam, "hamming")) < 1e-13


@pytest.mark.parametrize("shape", [(12, 3), (3, 11), (4, 12)])
def test_sinogram_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"shape .* expected \[\.\.\., 3, 12\]"):
        fbp(jnp.zeros(shape), ParallelBeam(8, 3))


def test_unknown_filter():
    with pytest.raises(ValueError, match=r"'sharp': expected one of 'ramp'.* or None"):
        fbp(jnp.zeros((3, 12)), ParallelBeam(8, 3), filter_name="sharp")


@pytest.mark.slow
@methods
@pytest.mark.parametrize("through", [lambda f: f, lambda f: jax.grad(square(f))])
@pytest.mark.parametrize("operator", [radon, back_project, fbp])
def test_memory_of_a_full_scan(operator, through, method):
    # The compiler's own figure: deterministic, unlike a peak of the process.
    beam = ParallelBeam(512, 1000)
    shape = (512, 512) if operator is radon else (1000, beam.num_detectors)
    if method == "matmul":
        beam = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), plan(beam)
        )
    function = jax.jit(through(functools.partial(operator, method=method)))
    compiled = function.lower(jax.ShapeDtypeStruct(shape, jnp.float32), beam)
    memory = compiled.compile().memory_analysis()
    assert memory.temp_size_in_bytes + memory.output_size_in_bytes < 500e6


def square(function):
    return lambda x, beam: (function(x, beam) ** 2).sum()

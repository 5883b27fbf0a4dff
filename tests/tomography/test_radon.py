import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from ellipse_phantom import project, rasterise
from skimage.transform import radon as skimage_radon

from sisr_jax.tomography import ParallelBeam, back_project, fbp, radon
from sisr_jax.tomography.planning import frequencies, quarter_of

methods = pytest.mark.parametrize("method", ["matmul", "reference"])


def random_image(size, *batch):
    image = np.random.default_rng(size).random((*batch, size, size))
    return image.astype(np.float32)


def reference(image, beam):
    degrees = np.rad2deg(beam.angles)
    return skimage_radon(image.astype(np.float64), degrees, circle=False).T


def definition(image, beam):
    """The sums of `linogram`, with complex numbers and none of its symmetries."""
    offset = np.arange(beam.size) - beam.size // 2
    detector = np.arange(beam.num_detectors) - beam.num_detectors // 2
    frequency = frequencies(beam.size)
    series = np.where(frequency == 0, 1, 2) / (4 * quarter_of(beam.size))
    views = []
    for angle in beam.angles:
        cos, sin = np.cos(angle), np.sin(angle)
        by_row = abs(cos) >= abs(sin) - 1e-10
        scale, slope = (cos, -sin / cos) if by_row else (-sin, -cos / sin)
        lines = image if by_row else image.T
        spectra = lines @ np.exp(-1j * np.outer(offset, frequency))
        shears = np.exp(-1j * slope * np.outer(offset, frequency))
        pixel = np.sinc(frequency / 2 / np.pi) * np.sinc(slope * frequency / 2 / np.pi)
        spectrum = series * pixel * (spectra * shears).sum(0) / abs(scale)
        views.append(np.exp(1j * np.outer(detector / scale, frequency)) @ spectrum)
    return np.real(views)


def relative(value, expected):
    return np.linalg.norm(value - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("size", "k"),
    [
        *((n, 100) for n in (1, 2, 3, 4, 17, 64, 100, 101, 128)),
        *((64, k) for k in (4, 8, 16, 32)),
        (100, 32),  # an even detector row ends before the corners of these
        (128, 8),
        *(pytest.param(n, 16, marks=pytest.mark.slow) for n in (256, 512)),
    ],
)
def test_parity_with_skimage(size, k):
    beam = ParallelBeam(size, 1000).every(k)
    image = random_image(size)
    assert (
        relative(radon(image, beam, method="reference"), reference(image, beam)) <= 1e-6
    )


@methods
def test_every_single_angle_is_right_in_every_mode(method):
    # In-program rounding of coordinates is wrong at a few angles under XLA:CPU,
    # so a mean over the angles would hide it.
    beam = ParallelBeam(16, 1000)
    images = jnp.asarray(random_image(16, 2))
    expected = {"reference": reference, "matmul": definition}[method]
    expected = np.stack([expected(np.asarray(image), beam) for image in images])

    def project(image):
        return radon(image, beam, method=method)

    modes = {
        "jit": jax.jit(project)(images),
        "jit(vmap)": jax.jit(jax.vmap(project))(images),
        "map": jax.lax.map(project, images),
        "single": jnp.stack([project(image) for image in images]),
    }
    with jax.disable_jit():
        modes["eager"] = project(images)
    for name, value in modes.items():
        error = np.linalg.norm(value - expected, axis=-1)
        assert (error / np.linalg.norm(expected, axis=-1)).max() <= 1e-6, name


@pytest.mark.parametrize("batch", [(), (2, 1, 2), (0,)])
@methods
def test_leading_axes(method, batch):
    beam = ParallelBeam(9, 5)
    sinogram = radon(random_image(9, *batch), beam, method=method)
    assert sinogram.shape == (*batch, 5, beam.num_detectors)
    assert back_project(sinogram, beam, method=method).shape == (*batch, 9, 9)


@pytest.mark.parametrize("size", [33, 100])
@methods
def test_back_project_is_the_exact_transpose(method, size):
    beam = ParallelBeam(size, 1000).every(32)
    rng = np.random.default_rng(1)
    image = random_image(size) - 0.5
    weights = rng.standard_normal((beam.num_angles, beam.num_detectors))
    weights = weights.astype(np.float32)
    projected = np.asarray(radon(image, beam, method=method), np.float64)
    back_projected = np.asarray(back_project(weights, beam, method=method), np.float64)
    gap = abs(np.vdot(projected, weights) - np.vdot(image, back_projected))
    assert gap <= 1e-6 * np.linalg.norm(projected) * np.linalg.norm(weights)


@methods
def test_transforms_of_the_operators_compose(method):
    beam = ParallelBeam(8, 7)
    images = jnp.asarray(random_image(8, 2))

    def energy(image):
        return (radon(image, beam, method=method) ** 2).sum() / 2

    def transpose(sinogram):
        return back_project(sinogram, beam, method=method)

    def slope(image):
        return (jax.grad(energy)(image) * images[0]).sum()

    @jax.jit  # one program, since compiling takes the time here
    def everything(images):
        sinograms = radon(images, beam, method=method)
        return {
            "normal": transpose(sinograms),
            "grad": jax.vmap(jax.grad(energy))(images),
            "at zero": jax.grad(energy)(0 * images[0]),
            # The energy is quadratic: Hessian times image = gradient at image.
            "jvp(grad)": jax.jvp(jax.grad(energy), (images[1],), (images[0],))[1],
            "grad(grad)": jax.grad(slope)(images[1]),
            "sinograms": sinograms,
            "jvp": jax.jvp(
                lambda x: radon(x, beam, method=method), (images,), (images,)
            )[1],
            "grad of transpose": jax.grad(lambda y: (transpose(y) * images).sum())(
                sinograms
            ),
            "transpose of transpose": jax.vjp(transpose, sinograms)[1](images)[0],
        }

    got = everything(images)
    for name, expected in {
        "grad": got["normal"],
        "at zero": jnp.zeros((8, 8)),
        "jvp(grad)": got["normal"][0],
        "grad(grad)": got["normal"][0],
        "jvp": got["sinograms"],
        "grad of transpose": got["sinograms"],
        "transpose of transpose": got["sinograms"],
    }.items():
        np.testing.assert_allclose(got[name], expected, rtol=1e-5, err_msg=name)
    assert got["normal"].min() > 0


@pytest.mark.parametrize(
    "method",
    [
        "matmul",
        pytest.param(
            "reference",
            marks=pytest.mark.skipif(
                jax.__version_info__ < (0, 10),
                reason="older jax cannot transpose a plain scan",
            ),
        ),
    ],
)
def test_linear_transpose(method):
    beam = ParallelBeam(8, 3)
    image = jnp.asarray(random_image(8))
    sinogram = radon(image, beam, method=method)

    @jax.jit
    def transposes(image, sinogram):
        operators = (
            (lambda y: back_project(y, beam, method=method), sinogram, image),
            (lambda x: radon(x, beam, method=method), image, sinogram),
            (lambda y: fbp(y, beam, method=method), sinogram, image),
        )
        return [jax.linear_transpose(f, like)(at)[0] for f, like, at in operators]

    projected, back_projected, unfiltered = transposes(image, sinogram)
    np.testing.assert_allclose(projected, sinogram, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        back_projected,
        back_project(sinogram, beam, method=method),
        rtol=1e-5,
        atol=1e-6,
    )
    gap = jnp.vdot(unfiltered, sinogram) - jnp.vdot(
        image, fbp(sinogram, beam, method=method)
    )
    assert abs(gap) < 1e-6 * jnp.linalg.norm(sinogram) * jnp.linalg.norm(unfiltered)


@methods
def test_linear(method):
    beam = ParallelBeam(20, 9)
    first, second = jnp.asarray(random_image(20, 2))
    together = radon(2 * first - 3 * second, beam, method=method)
    apart = 2 * radon(first, beam, method=method) - 3 * radon(
        second, beam, method=method
    )
    assert relative(together, apart) < 1e-6


def test_axes_sign_and_centre():
    beam = ParallelBeam(10, angles=[0.0, np.pi / 2, np.pi / 4])
    image = random_image(10)
    centre = beam.num_detectors // 2
    straight = np.asarray(radon(image, beam, method="reference"))
    inside = slice(centre - 5, centre + 5)
    np.testing.assert_allclose(straight[0, inside], image.sum(0), rtol=1e-6)
    upwards = image.sum(1)[::-1]  # y grows upwards, so the last row comes first
    inside = slice(centre - 4, centre + 6)
    np.testing.assert_allclose(straight[1, inside], upwards, rtol=1e-6)
    point = np.zeros((3, 10, 10), np.float32)
    point[0, 5, 5] = point[1, 5, 8] = point[2, 2, 5] = 1
    for method in ("matmul", "reference"):
        peaks = np.asarray(radon(point, beam, method=method)).argmax(-1) - centre
        np.testing.assert_array_equal(peaks, [[0, 0, 0], [3, 0, 2], [0, 3, 2]])


@methods
def test_every_view_sees_the_whole_mass(method):
    beam = ParallelBeam(64, 40)
    image = rasterise(64, 4)
    np.testing.assert_allclose(
        radon(image, beam, method=method).sum(-1), image.sum(), rtol=3e-3
    )


@pytest.mark.parametrize(
    ("method", "size", "point", "binned"),
    [
        ("reference", 64, 0.06, 0.045),
        ("matmul", 64, 0.05, 0.03),
        pytest.param("reference", 512, 0.0075, 0.0040, marks=pytest.mark.slow),
        pytest.param("matmul", 512, 0.0065, 0.0030, marks=pytest.mark.slow),
    ],
)
def test_against_the_analytic_transform(method, size, point, binned):
    beam = ParallelBeam(size, 1000).every(16)
    sinogram = radon(rasterise(size), beam, method=method)
    for samples, bar in ((1, point), (16, binned)):
        exact = project(size, beam.angles, beam.num_detectors, samples)
        assert relative(sinogram, exact) <= bar


def test_angles_of_any_kind():
    rng = np.random.default_rng(3)
    lists = {
        "random": rng.uniform(-7, 7, 40),
        "repeated": [0.3, 0.3, 0.0, np.pi, 0.3],
        "a short arc": np.linspace(0.2, 0.9, 11),
        "one": [2.0],
        "quarters": np.arange(8) * np.pi / 4,
        "a full turn": np.arange(48) * np.pi / 24,
    }
    for name, angles in lists.items():
        for size in (15, 16):
            beam = ParallelBeam(size, angles=angles)
            image = random_image(size)
            expected = definition(image, beam)
            assert relative(radon(image, beam), expected) <= 1e-6, (name, size)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32", "uint8"])
@methods
def test_other_types_are_computed_in_single_precision(method, dtype):
    beam = ParallelBeam(6, 3)
    image = jnp.arange(36).reshape(6, 6).astype(dtype)
    sinogram = radon(image, beam, method=method)
    assert sinogram.dtype == np.float32
    np.testing.assert_array_equal(
        sinogram, radon(image.astype("float32"), beam, method=method)
    )
    assert back_project(sinogram.astype(dtype), beam, method=method).dtype == np.float32


@pytest.mark.parametrize(
    ("method", "expected"), [("reference", reference), ("matmul", definition)]
)
def test_double_precision(double_precision, method, expected):
    beam = ParallelBeam(17, 11)
    image = random_image(17).astype(np.float64)
    sinogram = radon(image, beam, method=method)
    back_projected = back_project(sinogram, beam, method=method)
    assert sinogram.dtype == back_projected.dtype == np.float64
    assert relative(sinogram, expected(image, beam)) < 1e-13
    assert radon(image.astype(np.float32), beam, method=method).dtype == np.float32


def test_unknown_method(monkeypatch):
    # The type checker of the tests would be first to complain.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match="method = 'fast': expected 'matmul' or"):
        radon(jnp.zeros((8, 8)), ParallelBeam(8, 3), method="fast")


def test_an_axis_of_channels_is_named():
    beam = ParallelBeam(8, 3)
    with pytest.raises(ValueError, match=r"8, 8\], without an axis of channels$"):
        radon(jnp.zeros((2, 8, 8, 1)), beam)
    with pytest.raises(ValueError, match=r"3, 12\], without an axis of channels$"):
        fbp(jnp.zeros((2, 3, 12, 1)), beam)


@pytest.mark.parametrize("shape", [(8, 9), (9, 9), (2, 8, 7)])
@methods
def test_image_of_another_shape(method, shape):
    with pytest.raises(ValueError, match=r"image of shape .*expected \[\.\.\., 8, 8\]"):
        radon(jnp.zeros(shape), ParallelBeam(8, 3), method=method)


@pytest.mark.parametrize("shape", [(12, 3), (3, 11), (4, 12)])
@methods
def test_sinogram_of_another_shape(method, shape):
    with pytest.raises(ValueError, match=r"expected \[\.\.\., 3, 12\]"):
        back_project(jnp.zeros(shape), ParallelBeam(8, 3), method=method)

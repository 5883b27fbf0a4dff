import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from sisr_jax.metrics import ms_ssim, psnr, rmse, ssim
from sisr_jax.metrics.named import mae


def pair_of(shape=(3, 14, 17, 1), noise=0.1):
    generator = np.random.default_rng(0)
    a = generator.random(shape)
    b = np.clip(a + noise * generator.standard_normal(shape), 0, 1)
    return a.astype(np.float32), b.astype(np.float32)


def reference_ssim(a, b, data_range):
    """Interior of scikit-image's map in float64, for one plane."""
    _, similarity = structural_similarity(
        a.astype(np.float64),
        b.astype(np.float64),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=data_range,
        full=True,
    )
    return similarity[5:-5, 5:-5].mean()


@pytest.mark.parametrize("data_range", [1.0, 255])
def test_psnr_equals_scikit_image(data_range):
    a, b = (data_range * image for image in pair_of())
    expected = [
        peak_signal_noise_ratio(x, y, data_range=data_range)
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(psnr(a, b, data_range=data_range), expected, rtol=1e-5)


@pytest.mark.parametrize("noise", [0.001, 0.1, 1.0])
@pytest.mark.parametrize("shape", [(3, 14, 17, 1), (1, 11, 11, 1)])
def test_ssim_equals_the_interior_of_scikit_image(shape, noise):
    a, b = pair_of(shape, noise)
    expected = [
        reference_ssim(x, y, 1.0) for x, y in zip(a[..., 0], b[..., 0], strict=True)
    ]
    np.testing.assert_allclose(ssim(a, b), expected, atol=1e-6)


def test_ssim_scales_with_the_data_range():
    a, b = pair_of()
    np.testing.assert_allclose(
        ssim(255 * a, 255 * b, data_range=255), ssim(a, b), atol=1e-6
    )
    assert abs(ssim(a, b, data_range=255.0) - ssim(a, b)).max() > 1e-3


@pytest.mark.parametrize("level", [0.5, 1.0, 30.0])
def test_ssim_keeps_its_digits_in_bright_nearly_constant_regions(level):
    # Variance 1e-8 of the squared mean: E[x^2] - E[x]^2 in float32 has no digit
    # left of it.
    generator = np.random.default_rng(1)
    noise = 1e-4 * generator.standard_normal((2, 300, 64))
    a, b = (level * (1 + noise)).astype(np.float32)
    similarity = ssim(a[..., None], b[..., None])
    expected = reference_ssim(a, b, 1.0)
    np.testing.assert_allclose(1 - similarity, 1 - expected, rtol=5e-3)


def test_ssim_averages_channels():
    a, b = pair_of((2, 12, 13, 2))
    each = [ssim(a[..., i : i + 1], b[..., i : i + 1]) for i in range(2)]
    np.testing.assert_allclose(ssim(a, b), np.mean(each, axis=0), atol=1e-6)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_jit_vmap_and_unbatched_agree(metric):
    a, b = (jnp.asarray(image) for image in pair_of())
    whole = metric(a, b)
    assert whole.shape == (3,)
    assert whole.dtype == jnp.float32
    np.testing.assert_allclose(jax.jit(metric)(a, b), whole, rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(metric)(a, b), whole, rtol=1e-5)
    np.testing.assert_allclose(metric(a[1], b[1]), whole[1], rtol=1e-5)
    grid = metric(a.reshape(3, 1, 14, 17, 1), b.reshape(3, 1, 14, 17, 1))
    np.testing.assert_allclose(grid, whole[:, None], rtol=1e-5)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_half_precision_is_computed_in_float32(metric):
    a, b = (jnp.asarray(image, jnp.bfloat16) for image in pair_of())
    expected = metric(a.astype(jnp.float32), b.astype(jnp.float32))
    np.testing.assert_array_equal(metric(a, b), expected)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_gradient_is_the_slope(metric):
    a, b = (jnp.asarray(image) for image in pair_of((1, 12, 12, 1)))
    direction = jax.random.normal(jax.random.key(1), a.shape)
    slope = jnp.vdot(jax.grad(lambda x: metric(x, b)[0])(a), direction)
    step = 1e-3
    finite = metric(a + step * direction, b) - metric(a - step * direction, b)
    np.testing.assert_allclose(slope, finite[0] / (2 * step), rtol=2e-2)


@pytest.mark.parametrize("metric", [psnr, rmse, ssim, mae])
def test_planes_need_no_axis_of_channels(metric):
    a, b = pair_of()
    whole = metric(a, b)
    for planes in ((a[..., 0], b[..., 0]), (jnp.asarray(a[..., 0]), b[..., 0])):
        np.testing.assert_array_equal(metric(*planes), whole)
    one = metric(a[1, ..., 0], b[1, ..., 0])
    assert one.shape == ()
    np.testing.assert_allclose(one, whole[1], rtol=1e-6)
    grid = metric(a[None, ..., 0], b[None, ..., 0])
    np.testing.assert_array_equal(grid, whole[None])
    # Up to four channels are channels, and a plane of two axes may be as narrow.
    narrow = a[0, ..., 0][:, :4], b[0, ..., 0][:, :4]
    if metric is not ssim:
        np.testing.assert_array_equal(
            metric(*narrow), metric(narrow[0][..., None], narrow[1][..., None])
        )


@pytest.mark.parametrize("metric", [psnr, rmse, ssim, mae, ms_ssim])
def test_one_axis_is_no_image(metric):
    with pytest.raises(ValueError, match=r"image of shape \(9,\): expected \[\*batch"):
        metric(np.zeros(9, np.float32), np.zeros(9, np.float32))


def test_equal_images():
    a = jnp.asarray(pair_of()[0])
    np.testing.assert_array_equal(psnr(a, a), np.inf)
    np.testing.assert_array_equal(ssim(a, a), 1.0)
    for metric in (psnr, rmse, mae, ssim):
        gradient = jax.grad(lambda x, metric=metric: metric(x, a).sum())(a)
        np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_nan_is_not_mistaken_for_equality(metric):
    a, b = pair_of()
    b[1, 12, 8] = np.nan
    assert np.isnan(metric(a, b)).tolist() == [False, True, False]


@pytest.mark.parametrize("shape", [(10, 24), (24, 10)])
def test_window_that_does_not_fit_is_refused(shape):
    image = jnp.zeros((1, *shape, 1))
    with pytest.raises(ValueError, match=f"{shape[0]} x {shape[1]} pixels"):
        ssim(image, image)


def test_import_needs_no_training_library():
    code = (
        "import sys; import sisr_jax.metrics, sisr_jax.losses, sisr_jax.image.resize;"
        "found = {'flax', 'clu', 'orbax', 'tensorflow_datasets', 'grain'} & "
        "{name.split('.')[0] for name in sys.modules};"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim])
def test_grey_levels_need_their_range(metric):
    random = np.random.default_rng(0)
    levels = random.integers(0, 256, (2, 161, 161), np.uint8)
    with pytest.raises(ValueError, match="uint8 with data_range = 1: expected"):
        metric(*levels)
    expected = metric(*(levels / 255.0))
    found = metric(*levels, data_range=255)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from sisr_jax.metrics import psnr, rmse, ssim
from sisr_jax.metrics.inputs import mask_for

SHAPE = (3, 14, 17, 1)
METRICS = pytest.mark.parametrize("metric", [psnr, ssim, rmse])


def pair_of(shape=SHAPE):
    generator = np.random.default_rng(0)
    a = generator.random(shape)
    b = a + 0.1 * generator.standard_normal(shape)
    return a.astype(np.float32), b.astype(np.float32)


def some_pixels(shape=SHAPE):
    return np.random.default_rng(2).random((*shape[:-1], 1)) < 0.3


def test_rmse_equals_numpy():
    a, b = pair_of((3, 14, 17, 2))
    expected = np.sqrt(((a - b) ** 2).mean(axis=(1, 2, 3)))
    np.testing.assert_allclose(rmse(a, b), expected, rtol=1e-6)
    np.testing.assert_allclose(rmse(400 * a, 400 * b), 400 * expected, rtol=1e-6)
    np.testing.assert_allclose(psnr(a, b), -20 * np.log10(expected), rtol=1e-6)
    np.testing.assert_allclose(jax.jit(rmse)(a[1], b[1]), expected[1], rtol=1e-6)


def test_rmse_of_equal_images():
    a = jnp.asarray(pair_of()[0])
    np.testing.assert_array_equal(rmse(a, a), 0)
    assert not jax.grad(lambda x: rmse(x, a).sum())(a).any()


@pytest.mark.parametrize("channels", [1, 2])
def test_pixel_metrics_equal_numpy_on_the_mask(channels):
    a, b = pair_of((*SHAPE[:-1], channels))
    mask = some_pixels()
    error = [
        np.mean((x - y)[m[..., 0]] ** 2) for x, y, m in zip(a, b, mask, strict=True)
    ]
    np.testing.assert_allclose(rmse(a, b, mask=mask), np.sqrt(error), rtol=1e-5)
    expected = 10 * np.log10(4.0 / np.array(error))
    np.testing.assert_allclose(
        psnr(a, b, data_range=2.0, mask=mask), expected, rtol=1e-5
    )


@METRICS
def test_masks_of_planes(metric):
    a, b = pair_of()
    mask = some_pixels()
    expected = metric(a, b, mask=mask)
    for planes_mask in (mask, mask[..., 0]):
        found = metric(a[..., 0], b[..., 0], mask=planes_mask)
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(metric(a, b, mask=mask[..., 0]), expected)
    np.testing.assert_array_equal(
        metric(a[..., 0], b[..., 0], mask=mask[1, ..., 0]), metric(a, b, mask=mask[1])
    )


def test_ssim_counts_windows_centred_in_the_mask():
    a, b = pair_of()
    mask = some_pixels()
    expected = []
    for x, y, m in zip(a[..., 0], b[..., 0], mask[..., 0], strict=True):
        _, similarity = structural_similarity(
            x.astype(np.float64),
            y.astype(np.float64),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            full=True,
        )
        inner = np.s_[5:-5, 5:-5]
        expected.append(similarity[inner][m[inner]].mean())
    np.testing.assert_allclose(ssim(a, b, mask=mask), expected, atol=1e-6)


@METRICS
def test_full_mask_changes_nothing(metric):
    a, b = pair_of()
    whole = metric(a, b, mask=np.ones(SHAPE, bool))
    np.testing.assert_allclose(whole, metric(a, b), rtol=1e-6)


@METRICS
def test_one_mask_serves_a_batch(metric):
    a, b = pair_of()
    mask = some_pixels()[0]
    each = metric(a, b, mask=np.stack([mask] * 3))
    np.testing.assert_array_equal(metric(a, b, mask=mask), each)
    np.testing.assert_array_equal(metric(a, b, mask=mask[None]), each)
    jitted = jax.jit(metric)(a, b, mask=mask)
    np.testing.assert_allclose(jitted, each, rtol=1e-5)


@METRICS
def test_empty_mask_is_not_a_number(metric):
    a, b = pair_of()
    mask = np.zeros(SHAPE, bool)
    mask[0] = True
    assert np.isnan(metric(a, b, mask=mask)).tolist() == [False, True, True]


def test_windows_that_do_not_fit_do_not_count():
    a, b = pair_of()
    mask = np.zeros(SHAPE, bool)
    mask[:, :5] = mask[:, -5:] = mask[:, :, :5] = mask[:, :, -5:] = True
    assert np.isnan(ssim(a, b, mask=mask)).all()


@pytest.mark.parametrize("metric", [psnr, rmse])
def test_what_a_mask_hides_may_be_anything(metric):
    a, b = pair_of()
    mask = some_pixels()
    expected = metric(a, b, mask=mask)
    b[~mask] = np.nan
    np.testing.assert_array_equal(metric(a, b, mask=mask), expected)
    gradient = jax.grad(lambda x: metric(x, b, mask=mask).sum())(a)
    assert gradient[mask].all()
    assert not gradient[~mask].any()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((3, 14, 16, 1), bool), r"region of shape \(3, 14, 16, 1\) for images"),
        (np.ones((2, 14, 17, 1), bool), r"expected \[\*batch, 14, 17, 1\]"),
        (np.ones((5, 3, 14, 17, 1), bool), "expected"),
        (np.ones((3, 14, 17, 2), bool), "expected"),
        (np.ones((14, 16), bool), "expected"),
        (np.ones(SHAPE, np.float32), "region of type float32: expected bool"),
    ],
)
def test_mask_that_does_not_fit_is_refused(mask, message):
    with pytest.raises(ValueError, match=message):
        mask_for(SHAPE, mask, "region")

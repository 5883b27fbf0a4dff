import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from sisr_jax.evaluation.measures import ORDER, body_mask, hull, measure
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.regions import Regions


@pytest.fixture
def protocol(load_config):
    return protocol_of(load_config("ct_srgan"))


def pair(size=32):
    rng = np.random.default_rng(0)
    target = ndimage.gaussian_filter(rng.random((2, size, size, 1)), (0, 2, 2, 0))
    target = np.clip((target - 0.5) * 4 + 0.5, 0, 1).astype(np.float32)
    noise = rng.normal(0, 0.05, target.shape)
    return np.clip(target + noise, 0, 1).astype(np.float32), target


def test_numbers_agree_with_scikit_image(protocol):
    estimate, target = pair()
    mask = np.zeros(target.shape, bool)
    mask[:, 4:20, 8:30] = True
    values = measure(protocol, estimate, target, jnp.asarray(mask), Regions())
    assert set(values) <= set(ORDER)
    for i in range(2):
        a, b, inside = estimate[i, ..., 0], target[i, ..., 0], mask[i, ..., 0]
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": 0}
        _, similarity = structural_similarity(
            b, a, data_range=1.0, full=True, **options
        )
        fits = np.zeros_like(inside)
        fits[5:-5, 5:-5] = True
        expected = {
            "psnr": peak_signal_noise_ratio(b, a, data_range=1.0),
            "ssim": similarity[fits].mean(),
            "rmse": 2000 * np.sqrt(np.mean((a - b) ** 2)),
            "psnr_mask": peak_signal_noise_ratio(b[inside], a[inside], data_range=1.0),
            "ssim_mask": similarity[fits & inside].mean(),
            "rmse_mask": 2000 * np.sqrt(np.mean((a - b)[inside] ** 2)),
        }
        for name, value in expected.items():
            assert float(values[name][i]) == pytest.approx(value, rel=1e-3), name


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("soft", -160, 240), ("lung", -1000, 150), ("bone", -450, 1000)],
)
def test_windows_are_in_hounsfield_units(protocol, name, low, high):
    estimate, target = pair()
    values = measure(protocol, estimate, target, target > 0.5, Regions())
    hu = [np.clip(2000 * each - 1000, low, high) for each in (target, estimate)]
    for i in range(2):
        expected = peak_signal_noise_ratio(hu[0][i], hu[1][i], data_range=high - low)
        assert float(values[f"psnr_{name}"][i]) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("width", "has_five"), [(160, False), (161, True)])
def test_five_scales_need_161_pixels(load_config, width, has_five):
    shape = (176, width)
    config = load_config(
        "us_srgan", data__shape=shape, degradation__factor=1, data__patch=(16, 16)
    )
    image = jax.ShapeDtypeStruct((1, *shape, 1), jnp.float32)
    mask = jax.ShapeDtypeStruct((1, *shape, 1), jnp.bool_)
    score = functools.partial(measure, protocol_of(config))
    values = jax.eval_shape(score, image, image, mask, Regions())
    assert ("ms_ssim" in values) == has_five


def test_lesion_boxes_are_scored_by_themselves(protocol):
    estimate, target = pair()
    boxes = np.zeros(target.shape, bool)
    boxes[0, 8:24, 8:26] = True
    whole = np.ones(target.shape, bool)
    values = measure(protocol, estimate, target, whole, Regions(lesions=boxes))
    inside = (estimate - target)[boxes]
    expected = 2000 * np.sqrt(np.mean(inside**2))
    assert float(values["rmse_lesions"][0]) == pytest.approx(expected, rel=1e-4)
    psnr = 20 * np.log10(2000 / expected)
    assert float(values["psnr_lesions"][0]) == pytest.approx(psnr, rel=1e-4)
    assert np.isfinite(values["ssim_lesions"][0])
    for name in ("psnr_lesions", "ssim_lesions", "rmse_lesions"):
        assert np.isnan(values[name][1])  # an image without a lesion


def speckle(size=64):
    """Rayleigh envelope in dB of [-60, 0] as [0, 1]: a cyst 20 dB below the rest."""
    rng = np.random.default_rng(0)
    envelope = rng.rayleigh(0.05, (1, size, size, 1))
    cyst = np.zeros(envelope.shape, bool)
    cyst[:, 20:44, 20:44] = True
    decibels = 20 * np.log10(np.where(cyst, envelope / 10, envelope))
    return np.clip(decibels / 60 + 1, 0, 1).astype(np.float32), cyst


def test_regions_of_ultrasound(load_config):
    image, cyst = speckle()
    protocol = protocol_of(load_config("us_srgan", data__window=(-60.0, 0.0)))
    regions = Regions(speckle=~cyst, inside=cyst, outside=~cyst)
    flat = np.full_like(image, 0.5)
    values = measure(protocol, flat, image, ~cyst, regions)
    rayleigh = np.sqrt(np.pi / (4 - np.pi))
    assert float(values["speckle_snr_hr"][0]) == pytest.approx(rayleigh, abs=0.05)
    assert float(values["gcnr_hr"][0]) == pytest.approx(expected_gcnr(), abs=0.06)
    assert float(values["gcnr"][0]) == pytest.approx(0.0, abs=1e-6)
    assert float(values["speckle_snr"][0]) > 1e3
    assert set(values) <= set(ORDER)


def expected_gcnr():
    """1 minus the overlap of two Rayleigh densities with scales 1 and 10."""
    x = np.linspace(0, 60, 60_001)
    densities = [x / s**2 * np.exp(-(x**2) / (2 * s**2)) for s in (1.0, 10.0)]
    return 1 - np.minimum(*densities).sum() * (x[1] - x[0])


def test_grey_levels_have_no_speckle_snr(load_config):
    image, cyst = speckle()
    protocol = protocol_of(load_config("us_srgan"))
    regions = Regions(speckle=~cyst, inside=cyst, outside=~cyst)
    values = measure(protocol, image, image, cyst, regions)
    assert {"gcnr", "gcnr_hr"} <= set(values)
    assert not {"speckle_snr", "speckle_snr_hr"} & set(values)


def test_an_empty_mask_is_not_a_number(protocol):
    estimate, target = pair()
    values = measure(
        protocol, estimate, target, np.zeros(target.shape, bool), Regions()
    )
    assert np.isnan(values["psnr_mask"]).all()
    assert np.isfinite(values["psnr"]).all()


def test_hull_fills_holes_and_leaves_the_outside():
    row, column = np.mgrid[:20, :24]
    radius = np.hypot(row - 9, column - 12)
    ring = ((radius > 4) & (radius < 8))[None, ..., None]
    expected = ndimage.binary_fill_holes(ring[0, ..., 0])
    np.testing.assert_array_equal(hull(jnp.asarray(ring))[0, ..., 0], expected)
    assert not hull(jnp.zeros((1, 4, 4, 1), bool)).any()


def test_body_is_what_is_denser_than_lung(protocol):
    hu = np.full((1, 32, 32, 1), -1000.0)
    hu[:, 6:26, 5:29] = 40.0
    hu[:, 10:20, 8:15] = -850.0
    mask = body_mask(protocol, ((hu + 1000) / 2000).astype(np.float32))
    assert int(mask.sum()) == 20 * 24

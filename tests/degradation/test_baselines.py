import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import interp1d
from skimage import transform

from configs import ct_srgan, us_srgan
from sisr_jax.config import parse
from sisr_jax.degradation import modality_of
from sisr_jax.evaluation.protocol import config_of
from sisr_jax.metrics import psnr

KEY = jax.random.key(0)


def ct_config(factor=4):
    values = ct_srgan.get_config("quicktest")
    values.data.shape = values.data.patch = (32, 32)
    values.degradation.num_angles, values.degradation.factor = 64, factor
    return parse(values.to_dict())


def us_config(offset=0):
    values = us_srgan.get_config("quicktest")
    values.data.shape = values.data.patch = (16, 64)
    values.degradation.factor, values.degradation.offset = 4, offset
    return parse(values.to_dict())


def parts(config, family="physical"):
    """Degradation and baselines."""
    config = config_of(config, family)
    modality = modality_of(config)
    return modality.degrade(config), modality.baselines(config)


def estimates(config, hr, family="physical"):
    """Estimates in [0, 1], by the name of the row."""
    degradation, baselines = parts(config, family)
    images = baselines(degradation.measure(KEY, hr))
    return {name: jnp.clip(image, 0.0, 1.0) for name, image in images.items()}


def disc():
    """A bright disc with a darker one in it, edges far from the border."""
    row, column = jnp.mgrid[:32, :32] - 15.5
    radius = jnp.hypot(row, column)
    plane = 0.9 * (radius < 11) - 0.4 * (radius < 4)
    return jnp.tile(plane[None, :, :, None], (2, 1, 1, 1))


def waves():
    """Smooth lateral oscillation, 16 columns a period."""
    column = jnp.arange(64.0)
    plane = 0.5 + 0.4 * jnp.sin(2 * jnp.pi * column / 16)
    return jnp.broadcast_to(plane[None, None, :, None], (2, 16, 64, 1))


@pytest.mark.parametrize(
    ("config", "hr", "names"),
    [
        (
            ct_config(),
            disc(),
            ["Sparse FBP", "Hann FBP", "Linear views + FBP", "Cubic views + FBP"],
        ),
        (
            us_config(),
            waves(),
            ["Bicubic (half-pixel)", "Linear (aligned)", "Bicubic (aligned)"],
        ),
    ],
    ids=["ct", "ultrasound"],
)
def test_every_baseline_is_a_full_size_estimate_in_range(config, hr, names):
    degradation, baselines = parts(config)

    @jax.jit
    def estimates(degradation, baselines, hr):
        return baselines(degradation.measure(KEY, hr))

    images = estimates(degradation, baselines, hr)
    names = list(dict.fromkeys([*names, baselines.primary]))
    assert [*baselines.names] == names
    assert set(images) == set(names)
    assert baselines.primary == names[-1]
    for estimate in images.values():
        assert estimate.shape == hr.shape
        assert psnr(jnp.clip(estimate, 0.0, 1.0), hr).min() > 10.0


@pytest.mark.parametrize("factor", [4, 5])
def test_reconstructions_agree_with_scikit_image(factor):
    config = ct_config(factor)
    hr = np.asarray(disc()[:1])
    degrees = np.arange(0, 180, 180 / 64)
    kept = degrees[::factor]
    views = transform.radon(hr[0, ..., 0], kept, circle=False)

    def inverse(sinogram, angles, name):
        image = transform.iradon(
            sinogram, angles, output_size=32, filter_name=name, circle=False
        )
        return np.clip(image, 0, 1)

    # Half a turn later the same rays arrive from the other end (46 detectors).
    after = np.concatenate([np.zeros((1, kept.size)), views[:0:-1]])
    around = np.concatenate([kept, kept + 180])
    line = interp1d(around, np.concatenate([views, after], axis=1))
    expected = {
        "Sparse FBP": inverse(views, kept, "ramp"),
        "Hann FBP": inverse(views, kept, "hann"),
        "Linear views + FBP": inverse(line(degrees), degrees, "ramp"),
    }
    images = estimates(config, hr, "original")
    for name, image in expected.items():
        estimate = images[name][0, ..., 0]
        np.testing.assert_allclose(estimate, image, atol=2e-4, err_msg=name)


def test_filling_views_in_removes_streaks():
    scores = {
        name: float(psnr(image, disc())[0])
        for name, image in estimates(ct_config(), disc()).items()
    }
    assert scores["Linear views + FBP"] > scores["Hann FBP"] + 1.0
    assert scores["Cubic views + FBP"] > scores["Hann FBP"] + 1.0


@pytest.mark.parametrize("family", ["physical", "original"])
def test_total_variation_beats_the_quick_ones(family):
    images = estimates(ct_config(), disc(), family)
    quick = images["Cubic views + FBP"]
    assert (
        psnr(images[list(images)[-1]], disc()).min() > psnr(quick, disc()).max() + 3.0
    )


@pytest.mark.parametrize("family", ["physical", "original"])
def test_matrices_of_the_baselines_are_inputs_of_a_program(family):
    degradation, baselines = parts(ct_config(), family)
    seen = degradation.measure(KEY, disc())
    argument = jax.jit(lambda baselines, seen: baselines(seen)).lower(baselines, seen)
    constant = jax.jit(lambda seen: baselines(seen)).lower(seen)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(baselines))
    assert 0 < size < len(constant.as_text()) - len(argument.as_text())


def test_drawn_views_have_the_baselines_that_need_no_gaps(load_config):
    config = load_config("ct_srgan", degradation__views=(3, 8))
    degradation, baselines = parts(config)
    images = baselines(degradation.measure(KEY, disc()))
    assert set(images) == set(baselines.names)
    assert len(images) == 3
    assert not any("views" in name for name in images)


def test_hann_is_smoother_than_ramp():
    images = estimates(ct_config(), disc())

    def roughness(image):
        return jnp.abs(jnp.diff(image, axis=2)).mean()

    ramp, hann = (images[f"{name} FBP"] for name in ("Sparse", "Hann"))
    assert roughness(hann) < 0.9 * roughness(ramp)


@pytest.mark.parametrize("offset", [0, 3])
def test_alignment_decides_the_ultrasound_baselines(offset):
    scores = {
        name: float(psnr(image, waves())[0])
        for name, image in estimates(us_config(offset), waves()).items()
    }
    # A shift of 1.5 columns costs far more than the choice of the kernel.
    assert scores["Bicubic (aligned)"] > scores["Linear (aligned)"]
    assert scores["Linear (aligned)"] > scores["Bicubic (half-pixel)"] + 5.0


def test_aligned_baselines_keep_the_acquired_columns():
    hr = waves()
    for name in ("Linear (aligned)", "Bicubic (aligned)"):
        estimate = estimates(us_config(1), hr)[name]
        np.testing.assert_array_equal(estimate[:, :, 1::4], hr[:, :, 1::4])

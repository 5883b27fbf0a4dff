import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import interp1d
from skimage import transform

from configs import ct_srgan, us_srgan
from sisr_jax.config import parse
from sisr_jax.evaluation.acquisition import acquisition, full_beam, with_full_plan
from sisr_jax.evaluation.baselines import (
    LIGHT_BASELINE,
    PRIMARY_BASELINE,
    methods_of,
    with_total_variation,
)
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.metrics import psnr
from sisr_jax.reconstruction.total_variation import Settings


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


def acquire_of(config, family="physical"):
    return acquisition(config, protocol_of(config, family))


def baselines(config, family="physical"):
    """Image to estimate in [0, 1], by the name of the row."""
    acquire = acquire_of(config, family)

    def baseline(method):
        return lambda hr: jnp.clip(method(acquire(hr)), 0.0, 1.0)

    return {name: baseline(method) for name, method in methods_of(acquire).items()}


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
    acquire = with_full_plan(acquire_of(config))

    @jax.jit
    def estimates(acquire, hr):
        methods = methods_of(acquire)
        assert list(methods) == names
        return [jnp.clip(make(acquire(hr)), 0.0, 1.0) for make in methods.values()]

    assert PRIMARY_BASELINE[config.degradation.kind] in names
    assert LIGHT_BASELINE[config.degradation.kind] in names
    for estimate in estimates(acquire, hr):
        assert estimate.shape == hr.shape
        assert 0.0 <= estimate.min() <= estimate.max() <= 1.0
        assert psnr(estimate, hr).min() > 10.0


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
    methods = baselines(config, "seed")
    for name, image in expected.items():
        estimate = methods[name](hr)[0, ..., 0]
        np.testing.assert_allclose(estimate, image, atol=2e-4, err_msg=name)


def test_filling_views_in_removes_streaks():
    hr = disc()
    scores = {
        name: float(psnr(method(hr), hr)[0])
        for name, method in baselines(ct_config()).items()
    }
    assert scores["Linear views + FBP"] > scores["Hann FBP"] + 1.0
    assert scores["Cubic views + FBP"] > scores["Hann FBP"] + 1.0


@pytest.mark.parametrize("family", ["physical", "seed"])
def test_total_variation_says_its_settings_and_beats_the_quick_ones(family):
    hr = disc()
    settings = Settings(weight=1e-3, num_iterations=60, num_inner=5)
    acquire = acquire_of(ct_config(), family)
    methods = with_total_variation(settings)(acquire)
    assert list(methods)[:-1] == list(methods_of(acquire))
    name, method = list(methods.items())[-1]
    assert name == "TV (60 iterations, weight 0.001)"
    estimate = method(acquire(hr))
    quick = baselines(ct_config(), family)["Cubic views + FBP"](hr)
    assert psnr(estimate, hr).min() > psnr(quick, hr).max() + 3.0


@pytest.mark.parametrize("family", ["physical", "seed"])
def test_matrices_of_total_variation_are_inputs_of_a_program(family):
    acquire = acquire_of(ct_config(), family)
    method = list(with_total_variation(Settings())(acquire).values())[-1]
    views = acquire(disc())
    argument = jax.jit(lambda method, views: method(views)).lower(method, views)
    constant = jax.jit(lambda views: method(views)).lower(views)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(method))
    assert 0 < size < len(constant.as_text()) - len(argument.as_text())


def test_ultrasound_has_no_projection_geometry():
    with pytest.raises(ValueError, match="lateral_decimation has no projection"):
        full_beam(us_config())


def test_hann_is_smoother_than_ramp():
    methods = baselines(ct_config())

    def roughness(image):
        return jnp.abs(jnp.diff(image, axis=2)).mean()

    ramp, hann = (methods[f"{name} FBP"](disc()) for name in ("Sparse", "Hann"))
    assert roughness(hann) < 0.9 * roughness(ramp)


@pytest.mark.parametrize("offset", [0, 3])
def test_alignment_decides_the_ultrasound_baselines(offset):
    scores = {
        name: float(psnr(method(waves()), waves())[0])
        for name, method in baselines(us_config(offset)).items()
    }
    # A shift of 1.5 columns costs far more than the choice of the kernel.
    assert scores["Bicubic (aligned)"] > scores["Linear (aligned)"]
    assert scores["Linear (aligned)"] > scores["Bicubic (half-pixel)"] + 5.0


def test_aligned_baselines_keep_the_acquired_columns():
    hr = waves()
    for name in ("Linear (aligned)", "Bicubic (aligned)"):
        estimate = baselines(us_config(1))[name](hr)
        np.testing.assert_array_equal(estimate[:, :, 1::4], hr[:, :, 1::4])

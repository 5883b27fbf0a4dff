import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import ct_srgan, us_srgan
from sisr_jax.config import parse
from sisr_jax.evaluation.baselines import PRIMARY_BASELINE, baselines
from sisr_jax.metrics import psnr


def ct_config():
    values = ct_srgan.get_config("quicktest")
    values.data.shape = values.data.patch = (32, 32)
    values.degradation.num_angles, values.degradation.factor = 64, 4
    return parse(values.to_dict())


def us_config(offset=0):
    values = us_srgan.get_config("quicktest")
    values.data.shape = values.data.patch = (16, 64)
    values.degradation.factor, values.degradation.offset = 4, offset
    return parse(values.to_dict())


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
        (ct_config(), disc(), ["Sparse FBP", "Hann FBP"]),
        (
            us_config(),
            waves(),
            ["Bicubic (half-pixel)", "Linear (aligned)", "Bicubic (aligned)"],
        ),
    ],
    ids=["ct", "ultrasound"],
)
def test_every_baseline_is_a_full_size_estimate_in_range(key, config, hr, names):
    methods = baselines(config)
    assert list(methods) == names
    assert PRIMARY_BASELINE[config.degradation.kind] in methods
    for method in methods.values():
        estimate = jax.jit(method)(key, hr)
        assert estimate.shape == hr.shape
        assert 0.0 <= estimate.min() <= estimate.max() <= 1.0
        assert psnr(estimate, hr).min() > 10.0


def test_hann_is_smoother_than_ramp(key):
    methods = baselines(ct_config())

    def roughness(image):
        return jnp.abs(jnp.diff(image, axis=2)).mean()

    ramp, hann = (methods[f"{name} FBP"](key, disc()) for name in ("Sparse", "Hann"))
    assert roughness(hann) < 0.9 * roughness(ramp)


@pytest.mark.parametrize("offset", [0, 3])
def test_alignment_decides_the_ultrasound_baselines(key, offset):
    scores = {
        name: float(psnr(method(key, waves()), waves())[0])
        for name, method in baselines(us_config(offset)).items()
    }
    # A shift of 1.5 columns costs far more than the choice of the kernel.
    assert scores["Bicubic (aligned)"] > scores["Linear (aligned)"]
    assert scores["Linear (aligned)"] > scores["Bicubic (half-pixel)"] + 5.0


def test_aligned_baselines_keep_the_acquired_columns(key):
    hr = waves()
    for name in ("Linear (aligned)", "Bicubic (aligned)"):
        estimate = baselines(us_config(1))[name](key, hr)
        np.testing.assert_array_equal(estimate[:, :, 1::4], hr[:, :, 1::4])

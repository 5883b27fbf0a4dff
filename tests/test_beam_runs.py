"""Runs in beam space with side information: trained, restored, scored, loaded."""

import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from sisr_jax.inference import load
from sisr_jax.inference.bundle import write_bundle
from sisr_jax.run.loop import train
from sisr_jax.run.prepare import prepare
from sisr_jax.run.report import report
from sisr_jax.ultrasound import LateralDecimation

pytestmark = pytest.mark.slow

CINE = {"frames": 3, "interleave": 1, "motion_mm": 0.1}


@pytest.mark.parametrize(
    ("changes", "shape", "dtype"),
    [
        ({"signal": "iq"}, (32, 8), "complex64"),
        ({f"cine__{key}": value for key, value in CINE.items()}, (3, 32, 8), "float32"),
    ],
    ids=["iq", "cine"],
)
def test_a_run_is_trained_scored_and_loaded(
    load_config, tmp_path, changes, shape, dtype
):
    named = {f"degradation__{key}": value for key, value in changes.items()}
    config, workdir = load_config("us_beams", **named), epath.Path(tmp_path / "run")
    train(prepare(config, workdir))
    assert "Lateral U-Net GAN" in report(config, workdir)
    restorer = load(workdir)
    random = np.random.default_rng(0).uniform(0.1, 0.9, shape)
    lines, operator = jnp.asarray(random, dtype), LateralDecimation(4)
    found = restorer(measurement=lines, operator=operator)
    assert found.image.shape == (32, 32)
    np.testing.assert_array_equal(found.image[:, ::4], found.measurement)
    write_bundle(
        epath.Path(tmp_path / "bundle"), restorer, {"protocol": "x", "step": 8}
    )
    again = load(tmp_path / "bundle")(measurement=lines, operator=operator)
    np.testing.assert_array_equal(again.image, found.image)

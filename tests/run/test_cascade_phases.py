"""A network that consults the measurement goes through all phases."""

import csv

import numpy as np
import pytest
from etils import epath
from trees import same

from sisr_jax.run.loop import train
from sisr_jax.run.prepare import prepare
from sisr_jax.run.report import report

pytestmark = pytest.mark.slow


def test_cascade_trains_adversarially_and_stays_consistent(load_config, tmp_path):
    config = load_config(
        "ct_cascade",
        phases__generator=2,
        phases__discriminator=1,
        phases__adversarial=2,
        # So large that the discriminator alone moves the network.
        loss__adversarial_weight=1e3,
        generator__num_stages=1,
        generator__num_last_steps=8,
    )
    workdir = epath.Path(tmp_path)
    state = train(prepare(config, workdir))
    assert int(state.step) == 5
    assert int(state.skipped) == 0
    assert "Cascade GAN" in report(config, workdir)
    table = next((workdir / "evaluation").glob("step_*/per_image.csv"))
    residual = {}
    for row in csv.DictReader(table.read_text().splitlines()):
        residual.setdefault(row["method"], []).append(float(row["residual"]))
    mean = {method: np.mean(values) for method, values in residual.items()}
    # Consistency comes last, whatever the adversary asks for.
    assert mean["Cascade GAN"] < 0.2 * mean["Sparse FBP"]
    again = train(prepare(config, workdir))  # restored, nothing left to do
    assert same(again.generator, state.generator)

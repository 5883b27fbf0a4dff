import contextlib
import json
import logging
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.scoring import ValidationMetrics
from sisr_jax.hosts.mesh import make_mesh
from sisr_jax.run import loop, writers
from sisr_jax.types import Batch


def test_validation_is_logged_with_its_protocol(
    load_config, tmp_path, monkeypatch, caplog
):
    config = load_config("ct_srgan")
    run = SimpleNamespace(config=config, task=None, mesh=make_mesh())
    batch = Batch(np.zeros((4, 8, 8, 1), np.float32), np.ones(4, bool), np.arange(4))
    one = contextlib.nullcontext([batch])
    metrics = ValidationMetrics.single_from_model_output(
        psnr=jax.numpy.full(4, 31.5), ssim=jax.numpy.full(4, 0.75), mask=None
    )
    monkeypatch.setattr(loop, "_validation_batches", lambda run: one)
    monkeypatch.setattr(
        loop,
        "compile_validation",
        lambda task, mesh: lambda task, state, batch: metrics,
    )
    monkeypatch.setattr(loop, "compile_samples", lambda task, mesh: None)
    writer = writers.JsonLinesWriter(tmp_path / "metrics.jsonl")
    first = SimpleNamespace(step=0, skipped=0)
    session = loop._Session(run, None, writer, None, first)
    monkeypatch.setattr(logging.getLogger("absl"), "propagate", True)
    with caplog.at_level(logging.INFO, logger="absl"):
        assert session._evaluate(None, 7) == 31.5
    writer.close()
    name = protocol_of(config).id
    assert f"step 7: PSNR 31.50 dB, SSIM 0.7500 ({name})" in caplog.text
    record = json.loads((tmp_path / "metrics.jsonl").read_text())
    expected = {"step": 7, "eval/psnr": 31.5, "eval/ssim": 0.75}
    assert record == pytest.approx(expected | {f"protocol/{name}": 1.0})

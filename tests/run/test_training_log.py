"""What a run tells while it goes: in its records and in the log of a job."""

import contextlib
import io
import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from etils import epath

from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.scoring import ValidationMetrics
from sisr_jax.hosts.mesh import make_mesh
from sisr_jax.run import loop, writers
from sisr_jax.run.prepare import prepare
from sisr_jax.run.progress import Progress
from sisr_jax.types import Batch


def test_validation_is_logged_with_its_protocol(load_config, tmp_path, monkeypatch):
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
    log = io.StringIO()
    progress = Progress(total=9, start=0, stream=log)
    session = loop._Session(run, None, writer, progress, first)
    assert session._evaluate(None, 7) == 31.5
    writer.close()
    name = protocol_of(config).id
    assert log.getvalue().splitlines() == [
        "step 7/9: validating on 3 images",
        f"step 7/9: PSNR 31.50 dB, SSIM 0.7500 ({name})",
    ]
    record = json.loads((tmp_path / "metrics.jsonl").read_text())
    expected = {"step": 7, "eval/psnr": 31.5, "eval/ssim": 0.75}
    assert record == pytest.approx(expected | {f"protocol/{name}": 1.0})


@pytest.mark.slow
def test_a_job_says_what_it_does_and_how_fast(load_config, tmp_path, capsys):
    config = load_config(
        "us_srgan",
        phases__generator=6,
        phases__discriminator=2,
        phases__adversarial=0,
        log__every_steps=2,
        evaluation__every_steps=6,
    )
    loop.train(prepare(config, epath.Path(tmp_path)))
    lines = capsys.readouterr().err.splitlines()
    told = [line for line in lines if line.startswith("step ")]
    expected = [
        "step 0/8: compiling the step of the phase generator",
        "step 2/8: generator, ",
        "step 4/8: generator, ",
        "step 6/8: generator, ",
        "step 6/8: validating on 3 images",
        "step 6/8: PSNR ",
        "step 6/8: compiling the step of the phase discriminator",
        "step 8/8: discriminator, ",
        "step 8/8: validating on 3 images",
        "step 8/8: PSNR ",
    ]
    assert len(told) == len(expected)
    for line, begin in zip(told, expected, strict=True):
        assert line.startswith(begin)
    records = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    speeds = [r["perf/steps_per_second"] for r in records if "loss/pixel" in r]
    # Without the compilation, which takes seconds, in the first of them.
    assert min(speeds) > 0.05 * max(speeds)

"""What a run tells while it goes: in its records and in the log of a job."""

import io
import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from etils import epath
from recorders import Recorder

from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.scoring import ValidationMetrics
from sisr_jax.hosts.mesh import make_mesh
from sisr_jax.run import loop, validation, writers
from sisr_jax.run.prepare import prepare
from sisr_jax.run.progress import Progress
from sisr_jax.types import Batch


def metrics_of(psnr, ssim):
    return ValidationMetrics.single_from_model_output(
        psnr=jax.numpy.full(4, psnr), ssim=jax.numpy.full(4, ssim), mask=None
    )


@pytest.fixture
def validate(load_config, tmp_path, monkeypatch):
    """A function that validates once, and the baselines that it measured."""
    images = np.random.default_rng(0).random((4, 8, 8, 1)).astype(np.float32)
    batch = Batch(images, np.ones(4, bool), np.arange(4))
    monkeypatch.setattr(
        validation.Validation, "_batches", lambda self, source: iter([batch])
    )
    monkeypatch.setattr(
        validation,
        "compile_validation",
        lambda task, mesh: lambda task, state, batch: metrics_of(31.5, 0.75),
    )
    measured = []

    def baseline(key, batch):
        measured.append(batch)
        return metrics_of(27.0, 0.5), images / 2, images

    monkeypatch.setattr(validation, "compile_baseline", lambda task, mesh: baseline)
    monkeypatch.setattr(validation, "compile_samples", lambda task, mesh: None)

    def run(writer, log, **changes):
        config = load_config("us_srgan", **changes)
        state = SimpleNamespace(step=7, key=None)
        parts = SimpleNamespace(
            config=config,
            mesh=make_mesh(),
            workdir=epath.Path(tmp_path),
            validation=[None] * config.evaluation.num_validation,
        )
        progress = Progress(total=9, start=0, stream=log)
        session = validation.Validation(parts, None, writer, progress)
        return session.evaluate(state, 7)

    return run, measured


def test_validation_is_logged_with_its_protocol_and_the_baseline(
    load_config, validate, tmp_path
):
    writer = writers.JsonLinesWriter(tmp_path / "metrics.jsonl")
    log = io.StringIO()
    run, _ = validate
    assert run(writer, log) == 31.5
    writer.close()
    name = protocol_of(load_config("us_srgan")).id
    assert log.getvalue().splitlines() == [
        "step 7/9: measuring Bicubic (aligned) on 3 images, once in a run",
        "step 7/9: validating on 3 images",
        f"step 7/9: PSNR 31.50 dB, SSIM 0.7500 ({name})",
    ]
    record = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert record == {
        "step": 7,
        "eval/psnr": 31.5,
        "eval/ssim": 0.75,
        "baseline/psnr": 27.0,
        "baseline/ssim": 0.5,
        "protocol": name,
    }


def test_the_baseline_is_measured_once_in_a_run_and_drawn_at_its_beginning(
    load_config, validate
):
    run, measured = validate
    recorders = [Recorder() for _ in range(3)]
    for recorder in recorders:
        run(recorder, io.StringIO())
    assert len(measured) == 1
    name = protocol_of(load_config("us_srgan")).id
    text = f"Bicubic (aligned): PSNR 27.00 dB, SSIM 0.5000 on 3 images ({name})"
    drawn = [f"sample_{i}_window/2_baseline" for i in (1, 2, 3)]
    assert recorders[0].calls[:3] == [(0, drawn), (0, {"baseline": text}), "flush"]
    assert recorders[1].calls == recorders[2].calls == recorders[0].calls[3:]
    # Of more images it is another number.
    run(Recorder(), io.StringIO(), evaluation__num_validation=4)
    assert len(measured) == 2


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
        "step 6/8: measuring Bicubic (aligned) on 3 images, once in a run",
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

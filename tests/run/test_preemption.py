"""SIGTERM or Ctrl-C to a process: it saves, leaves, and resumes to the same bits."""

import os
import signal

import jax
import numpy as np
import pytest
from etils import epath

from sisr_jax.hosts.leaving import Preempted, Preemption
from sisr_jax.run import loop
from sisr_jax.run.loop import train
from sisr_jax.run.prepare import prepare


def _send_at(monkeypatch, step, number):
    """Sends this process a signal while the batch of a step is put on devices."""
    original, calls = loop.to_devices, []

    def to_devices(batch, mesh):
        calls.append(batch)
        if len(calls) == step + 1:
            os.kill(os.getpid(), number)
        return original(batch, mesh)

    monkeypatch.setattr(loop, "to_devices", to_devices)


@pytest.mark.slow
def test_a_signal_in_the_last_step_leaves_before_the_evaluation(
    load_config, tmp_path, monkeypatch
):
    config = load_config("us_srresnet", phases__generator=1)
    with monkeypatch.context() as patch:
        _send_at(patch, 0, signal.SIGTERM)
        with pytest.raises(Preempted, match=r"^preempted at step 1: saved$"):
            train(prepare(config, epath.Path(tmp_path)))
    assert (tmp_path / "checkpoints" / "1").is_dir()
    assert int(train(prepare(config, epath.Path(tmp_path))).step) == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_next_step_and_resumes(
    load_config, tmp_path, monkeypatch, number
):
    config = load_config(
        "us_srresnet",
        checkpoint__every_steps=100,
        evaluation__every_steps=100,
        log__images_every_steps=100,
        phases__generator=4,
    )
    straight = train(prepare(config, epath.Path(tmp_path / "straight")))
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        _send_at(patch, 1, number)
        with pytest.raises(Preempted, match=r"^preempted at step 2: saved$"):
            train(prepare(config, epath.Path(tmp_path / "stopped")))
    assert signal.getsignal(number) == before
    assert (tmp_path / "stopped" / "checkpoints" / "2").is_dir()
    # Asked again before it has done a step, it must not save the same step twice.
    with monkeypatch.context() as patch:
        patch.setattr(Preemption, "reached", lambda self, step: step == 2)
        with pytest.raises(Preempted, match="step 2"):
            train(prepare(config, epath.Path(tmp_path / "stopped")))
    resumed = train(prepare(config, epath.Path(tmp_path / "stopped")))
    for a, b in zip(
        jax.tree.leaves(straight.generator),
        jax.tree.leaves(resumed.generator),
        strict=True,
    ):
        assert np.array_equal(a, b)

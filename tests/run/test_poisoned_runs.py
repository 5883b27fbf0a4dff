"""Runs some of whose batches are poisoned: they recover, or stop and resume."""

import dataclasses

import numpy as np
import pytest
from absl import logging
from etils import epath
from states import counts, learned
from trees import same

from sisr_jax.checkpoints.restore import CheckpointReader
from sisr_jax.run import loop
from sisr_jax.run.prepare import prepare

LIMIT = 3


class _Poisoned:
    """Training batches, some of which have a pixel that is not a number."""

    def __init__(self, batches, batch_size, bad_steps):
        self._batches, self._size, self._bad = batches, batch_size, bad_steps

    def __getattr__(self, name):
        return getattr(self._batches, name)

    def __enter__(self):
        self._batches.__enter__()
        return self

    def __exit__(self, *error):
        return self._batches.__exit__(*error)

    def __iter__(self):
        return self

    def __next__(self):
        batch = next(self._batches)
        if batch.index[0] // self._size not in self._bad:
            return batch
        hr = batch.hr.copy()
        hr[0, ::8, ::8] = np.nan  # so that every crop has some
        return batch._replace(hr=hr)


@pytest.fixture
def poison(monkeypatch):
    """A function that says at which steps the next runs get poisoned batches."""
    original = loop.training_batches

    def poison(*bad_steps):
        monkeypatch.setattr(
            loop,
            "training_batches",
            lambda source, data, **options: _Poisoned(
                original(source, data, **options), data.batch_size, bad_steps
            ),
        )

    return poison


def _kept(workdir):
    reader = CheckpointReader(epath.Path(workdir))
    try:
        return reader.steps()
    finally:
        reader.close()


@pytest.mark.slow
def test_run_stops_with_its_checkpoints_and_resumes_with_good_data(
    load_config, tmp_path, poison
):
    """Numbers are read every sixth step only; the device counts all the same."""
    changes = {"phases__discriminator": 0, "phases__adversarial": 0}
    config = load_config(
        "us_srgan",
        **changes,
        safety__max_skipped_in_a_row=LIMIT,
        phases__generator=9,
        log__every_steps=6,
        checkpoint__every_steps=1,
        checkpoint__keep_last=9,
        evaluation__every_steps=9,
        optimizer__generator__schedule="constant",
    )
    workdir = epath.Path(tmp_path / "run")
    poison(2, 3, 4)
    with pytest.raises(FloatingPointError, match="steps were skipped"):
        loop.train(prepare(config, workdir))
    assert _kept(workdir) == (0, 1, 2, 3, 4)  # the step that made three is not kept
    poison()
    state = loop.train(prepare(config, workdir))
    # Skipped steps that were saved stay skipped.
    assert counts(state) == (9, 2, 0)
    straight = epath.Path(tmp_path / "straight")
    poison(2, 3)
    assert same(learned(loop.train(prepare(config, straight))), learned(state))


@pytest.mark.slow
def test_no_checkpoint_holds_weights_that_are_not_finite(load_config, tmp_path):
    """Losses and gradients are well; the optimiser divides by nothing."""
    config = load_config(
        "us_srgan",
        phases__generator=8,
        checkpoint__every_steps=1,
    )
    # No configuration says this: it stands for whatever makes an update overflow.
    adam = dataclasses.replace(config.optimizer.generator, beta1=1.0)
    optimizer = dataclasses.replace(config.optimizer, generator=adam)
    config = dataclasses.replace(config, optimizer=optimizer)
    workdir = epath.Path(tmp_path)
    with pytest.raises(FloatingPointError, match="step 1: generator holds numbers"):
        loop.train(prepare(config, workdir))
    assert _kept(workdir) == (0,)


@pytest.mark.slow
def test_run_recovers_and_tells_of_saturation_once(
    load_config, tmp_path, poison, caplog
):
    config = load_config(
        "us_srgan",
        phases__generator=1,
        phases__discriminator=1,
        phases__adversarial=4,
        safety__saturated_real=0.0,
        safety__saturated_generated=1.0,
        safety__saturated_records=2,
    )
    poison(1, 3)
    logging.set_verbosity(logging.WARNING)
    state = loop.train(prepare(config, epath.Path(tmp_path)))
    assert counts(state) == (6, 2, 0)
    told = [message.split(":")[0] for message in caplog.messages if "skip" in message]
    assert told == ["step 2", "step 4"]
    (saturated,) = [m for m in caplog.messages if "saturated" in m]
    assert saturated.startswith("step 5: the discriminator is saturated, 2 records")

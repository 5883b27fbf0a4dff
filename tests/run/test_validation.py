"""What a run keeps of its baseline, and what it writes for people to look at."""

import json
import types

import numpy as np
import pytest
from etils import epath
from recorders import Recorder

from sisr_jax.evaluation.display import display_of
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.run import validation as module
from sisr_jax.run.validation import BASELINE_FILE, Validation

ASKED = {"protocol": "physical", "num_images": 2}


@pytest.fixture
def known(tmp_path, monkeypatch):
    monkeypatch.setattr(Validation, "_asked", ASKED)
    validation = object.__new__(Validation)
    validation._run = types.SimpleNamespace(workdir=epath.Path(tmp_path))

    def read(values):
        (tmp_path / BASELINE_FILE).write_text(json.dumps(values))
        return validation._known_baseline()

    return read


def test_kept_numbers_are_used_again(known):
    assert known(ASKED | {"psnr": 30.5, "ssim": 0.9}) == {"psnr": 30.5, "ssim": 0.9}


@pytest.mark.parametrize(
    "change",
    [{"num_images": 3}, {"psnr": "x"}, {"psnr": None}, {"ssim": [0.9]}],
)
def test_numbers_of_something_else_or_edited_ones_are_not(known, change):
    assert known(ASKED | {"psnr": 30.5, "ssim": 0.9} | change) is None


def test_numbers_that_are_missing_are_measured_again(known):
    assert known(ASKED) is None


@pytest.fixture
def shown(load_config, monkeypatch):
    """A validation whose networks and images are stubs, and what it writes."""
    config, recorder = load_config("ct_srgan"), Recorder()
    found = object.__new__(Validation)
    found._run, found._task = types.SimpleNamespace(config=config), None
    found._writer, found._protocol = recorder, protocol_of(config)
    found._display = display_of(found._protocol)
    found._source, found._positions = range(9), [0, 3, 6]
    images = {name: np.full((4, 8, 8, 1), 0.5) for name in ("degraded", "sr", "hr")}
    found._super_resolve = lambda task, state, batch: images
    monkeypatch.setattr(module, "spread", lambda source, count: source)
    monkeypatch.setattr(module, "to_host", lambda arrays: arrays)
    monkeypatch.setattr(Validation, "_batches", lambda self, source: iter([None]))
    return found, recorder.calls


def test_the_configuration_and_the_protocol_are_written_as_text(shown):
    validation, calls = shown
    validation.describe(7)
    [(step, texts)] = calls
    assert step == 7
    assert json.loads(texts["config"])["ema_decay"] == 0.999
    assert all(line.startswith("    ") for line in texts["config"].splitlines())
    assert texts["protocol"] == validation._protocol.describe()
    assert "HU" in texts["samples"]


def test_three_samples_are_drawn_with_their_errors(shown):
    validation, calls = shown
    validation.draw(None, 0)
    validation.draw(None, 50)
    (_, first), (step, later) = calls
    assert step == 50
    assert {name.split("/")[0] for name in later} == {
        f"sample_{i}_{view.name}"
        for i in (1, 2, 3)
        for view in validation._display.views
    }
    assert {name.split("/")[1] for name in later} == {"3_sr", "5_error"}
    # What no weights are behind is drawn once.
    assert {name.split("/")[1] for name in first} == {
        *("1_degraded", "3_sr", "4_hr", "5_error")
    }

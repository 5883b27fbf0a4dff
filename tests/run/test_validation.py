"""What a run keeps of its baseline, and when it is measured again."""

import json
import types

import pytest
from etils import epath

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

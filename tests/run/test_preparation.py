"""What a run says of its images before it begins, and what it does not save."""

import dataclasses
import types

import pytest
from absl import logging

from sisr_jax.run import loop, prepare


@pytest.fixture
def remarked(load_config, monkeypatch, caplog):
    """The log of checking a configuration whose images deserve a remark."""
    found = types.SimpleNamespace(remarks=lambda: ["3 of 9 slices are all air"])
    monkeypatch.setattr(prepare, "check_images", lambda *a, **k: found)

    def remarked(**changes):
        config = load_config("us_srgan", **changes)
        with caplog.at_level(logging.WARNING):
            prepare._checked(config)
        return caplog.text

    return remarked


def test_remarks_on_images_are_told_with_their_split(remarked):
    text = remarked()
    for split in ("train", "validation", "test"):
        assert f"{split}: 3 of 9 slices are all air" in text
    assert "split_by" not in text


def test_slices_of_known_patients_in_the_test_are_told(remarked, monkeypatch):
    original = prepare.open_source

    def by_position(data, split, *, seed):
        return original(_with(data, split_by="patient"), split, seed=seed)

    monkeypatch.setattr(prepare, "open_source", by_position)
    text = remarked(data__split_by="position", data__source="folder", data__path="/")
    assert "its scores say nothing of other patients" in text


def _with(data, **changes):
    return dataclasses.replace(data, source="ultrasound_phantoms", path="", **changes)


def test_a_poisoned_state_is_not_saved_on_the_way_out():
    def check(state):
        raise FloatingPointError("not finite")

    saved = []
    session = object.__new__(loop._Session)
    session._scalars = session._writer = types.SimpleNamespace(flush=lambda: None)
    session._watch = types.SimpleNamespace(check_before_save=check)
    session._checkpointer = types.SimpleNamespace(
        save=lambda *a, **k: saved.append(a), wait=lambda: None
    )
    with pytest.raises(FloatingPointError):
        session._save_and_leave(None, 3)
    assert not saved

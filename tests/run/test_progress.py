"""The line that shows how far a run is, and log lines beside it."""

import io

import pytest
from absl import logging

from sisr_jax.run.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_silent_without_a_terminal():
    stream = io.StringIO()
    with Progress(total=3, start=0, stream=stream) as progress:
        for _ in range(3):
            progress.update("generator", {"loss/generator": 0.5})
    assert stream.getvalue() == ""


def test_progress_shows_phase_step_rate_time_left_and_losses():
    stream = Terminal()
    with Progress(total=10, start=4, stream=stream) as progress:
        for _ in range(6):
            progress.update("adversarial", {"loss/generator": 0.51239, "eval/psnr": 1})
    last = stream.getvalue().split("\r")[-1]
    for part in ("adversarial 10/10", "steps/s", "left", "loss/generator 0.5124"):
        assert part in last
    assert "eval/psnr" not in last


def test_log_lines_stay_whole_while_progress_is_shown(monkeypatch):
    stream = Terminal()
    handler = logging.get_absl_handler().python_handler
    monkeypatch.setattr(handler, "stream", stream)
    with Progress(total=3, start=0, stream=stream) as progress:
        progress.update("generator", {})
        handler.emit(
            logging.get_absl_logger().makeRecord(
                "absl", logging.converter.STANDARD_INFO, "f", 1, "a message", (), None
            )
        )
        progress.update("generator", {})
    assert handler.stream is stream
    # The bar is wiped ("\r", blanks, "\r") before the line, and drawn again after.
    before, after = stream.getvalue().split("a message\n")
    assert before.split("\r")[-2].strip() == ""
    assert "1/3" in after


def test_log_stream_is_given_back_after_an_error():
    handler = logging.get_absl_handler().python_handler
    before = handler.stream
    with pytest.raises(KeyError), Progress(3, 0, stream=Terminal()):
        raise KeyError
    assert handler.stream is before

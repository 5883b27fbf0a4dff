"""The line that shows how far a run is, and log lines beside it."""

import io

import pytest
from absl import logging

from sisr_jax.run.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


RECORD = {"loss/generator": 0.51239, "eval/psnr": 1.0, "perf/steps_per_second": 2.0}


def test_a_log_has_one_line_for_each_record():
    stream = io.StringIO()
    with Progress(total=130, start=4, stream=stream) as progress:
        progress.say(4, "compiling the step of the phase generator")
        for step in range(5, 11):
            progress.count(step)
            if step % 2 == 0:
                progress.show(step, "generator", RECORD)
        progress.show(11, "adversarial", {"loss/pixel": 1.0})
    assert stream.getvalue().splitlines() == [
        "step 4/130: compiling the step of the phase generator",
        "step 6/130: generator, 2 steps/s, 01:02 left, loss/generator 0.5124",
        "step 8/130: generator, 2 steps/s, 01:01 left, loss/generator 0.5124",
        "step 10/130: generator, 2 steps/s, 01:00 left, loss/generator 0.5124",
        "step 11/130: adversarial, loss/pixel 1",
    ]


def test_a_terminal_shows_phase_step_rate_time_left_and_losses():
    stream = Terminal()
    with Progress(total=10, start=4, stream=stream) as progress:
        for step in range(5, 11):
            progress.count(step)
        progress.show(8, "adversarial", RECORD)
    last = stream.getvalue().split("\r")[-1]
    for part in ("adversarial 10/10", "2 steps/s", "00:01 left", "loss/generator 0.51"):
        assert part in last
    assert "eval/psnr" not in last


def test_what_takes_a_while_is_said_above_the_line_on_a_terminal():
    stream = Terminal()
    with Progress(total=3, start=0, stream=stream) as progress:
        progress.show(1, "generator", RECORD)
        progress.say(1, "validating on 3 images")
    before, after = stream.getvalue().split("step 1/3: validating on 3 images\n")
    assert before.split("\r")[-2].strip() == ""
    assert "generator 0/3" in after


def test_log_lines_stay_whole_while_progress_is_shown(monkeypatch):
    stream = Terminal()
    handler = logging.get_absl_handler().python_handler
    monkeypatch.setattr(handler, "stream", stream)
    with Progress(total=3, start=0, stream=stream) as progress:
        progress.count(1)
        progress.show(1, "generator", RECORD)
        handler.emit(
            logging.get_absl_logger().makeRecord(
                "absl", logging.converter.STANDARD_INFO, "f", 1, "a message", (), None
            )
        )
        progress.show(1, "generator", RECORD)
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

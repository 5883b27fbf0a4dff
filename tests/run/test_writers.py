import errno
import io
import json
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from absl import logging
from etils import epath

from sisr_jax.errors import StorageError
from sisr_jax.run import writers
from sisr_jax.run.progress import Progress
from sisr_jax.storage.upload_buffer import UploadBuffer


class Recorder(writers.MetricWriter):
    """Remembers the calls."""

    def __init__(self):
        self.calls = []

    def write_scalars(self, step, scalars):
        self.calls.append((step, dict(scalars)))

    def write_images(self, step, images):
        self.calls.append((step, sorted(images)))

    def flush(self):
        self.calls.append("flush")

    def close(self):
        self.calls.append("close")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def records_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_records(path, steps):
    writer = writers.JsonLinesWriter(path)
    for step in steps:
        writer.write_scalars(step, {"loss/generator": 1 / step})
    writer.close()


def test_json_lines_appends_one_record_each_and_at_once(tmp_path):
    path = tmp_path / "new" / "metrics.jsonl"
    writer = writers.JsonLinesWriter(path)
    writer.write_scalars(3, {"loss/generator": np.float32(0.1), "count": 2})
    writer.write_images(3, {"sample/hr": np.zeros((2, 2, 1))})
    # Not closed or flushed: what a killed process leaves behind.
    assert records_of(path) == [
        {"step": 3, "loss/generator": float(np.float32(0.1)), "count": 2.0}
    ]
    writer.close()
    write_records(path, [4])
    assert [record["step"] for record in records_of(path)] == [3, 4]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_json_lines_stay_valid_json_for_every_number(tmp_path, value):
    path = tmp_path / "metrics.jsonl"
    writer = writers.JsonLinesWriter(path)
    writer.write_scalars(1, {"eval/psnr": value})
    writer.close()

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    record = json.loads(path.read_text(), parse_constant=refuse)
    np.testing.assert_equal(float(record["eval/psnr"]), value)


@pytest.mark.parametrize("torn", [b"", b'{"step": 6, "lo', b"\0\0\0", b"{}"])
@pytest.mark.parametrize(("step", "kept"), [(0, 0), (3, 3), (9, 5)])
def test_a_killed_and_resumed_run_leaves_the_records_of_an_undisturbed_one(
    tmp_path, torn, step, kept
):
    path, undisturbed = tmp_path / "killed.jsonl", tmp_path / "undisturbed.jsonl"
    write_records(path, range(1, 6))
    path.write_bytes(path.read_bytes() + torn)
    writers.truncate_after(path, step)
    assert [record["step"] for record in records_of(path)] == [*range(1, kept + 1)]
    write_records(path, range(kept + 1, 9))
    write_records(undisturbed, range(1, 9))
    assert path.read_bytes() == undisturbed.read_bytes()
    assert {file.name for file in tmp_path.iterdir()} == {path.name, undisturbed.name}


def test_truncation_completes_a_last_line_that_only_misses_its_end(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}')
    writers.truncate_after(path, 2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_truncation_of_a_missing_file_makes_none(tmp_path):
    writers.truncate_after(tmp_path / "metrics.jsonl", 3)
    assert not list(tmp_path.iterdir())


def test_truncation_names_a_broken_line_and_changes_nothing(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\nnonsense\n{"step": 2}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2: b'nonsense'"):
        writers.truncate_after(path, 1)
    assert "nonsense" in path.read_text()


def read_events(directory):
    with warnings.catch_warnings():
        # TensorBoard's reader and its protocol buffers warn on newer Pythons
        # about their own code.
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import (
            EventAccumulator,
        )

        events = EventAccumulator(str(directory), {"scalars": 0, "images": 0})
        return events.Reload()


def test_tensorboard_reads_scalars_and_images_back(tmp_path):
    from PIL import Image

    writer = writers.TensorBoardWriter(tmp_path, purge_step=1)
    writer.write_scalars(1, {"loss/generator": 0.25, "eval/psnr": 30.0})
    writer.write_scalars(2, {"loss/generator": np.float32(0.125)})
    # Out of range on purpose: 1.5 must be white and not wrap around to gray.
    image = np.array([[[0.0], [0.5]], [[1.0], [1.5]], [[-1.0], [0.25]]])
    writer.write_images(2, {"sample/hr": image})
    writer.close()
    events = read_events(tmp_path)
    points = [(point.step, point.value) for point in events.Scalars("loss/generator")]
    assert points == [(1, 0.25), (2, 0.125)]
    assert [point.value for point in events.Scalars("eval/psnr")] == [30.0]
    (stored,) = events.Images("sample/hr")
    assert (stored.step, stored.height, stored.width) == (2, 3, 2)
    image = Image.open(io.BytesIO(stored.encoded_image_string)).convert("L")
    assert np.asarray(image).tolist() == [[0, 128], [255, 255], [0, 64]]


def test_flushed_events_are_in_the_file(tmp_path):
    writer = writers.TensorBoardWriter(tmp_path, purge_step=1)
    for step in range(1, 51):
        writer.write_scalars(step, {"loss/generator": step})
    writer.flush()
    points = read_events(tmp_path).Scalars("loss/generator")
    assert [point.step for point in points] == list(range(1, 51))
    writer.close()


def test_tensorboard_forgets_what_a_resumed_run_writes_again(tmp_path):
    killed = writers.TensorBoardWriter(tmp_path, purge_step=1)
    for step in range(1, 6):
        killed.write_scalars(step, {"loss/generator": 100.0})
    killed.close()
    resumed = writers.TensorBoardWriter(tmp_path, purge_step=4)
    for step in range(4, 7):
        resumed.write_scalars(step, {"loss/generator": 1.0})
    resumed.close()
    points = read_events(tmp_path).Scalars("loss/generator")
    assert [point.step for point in points] == [1, 2, 3, 4, 5, 6]
    assert [point.value for point in points] == [100.0] * 3 + [1.0] * 3


def test_multi_writer_passes_everything_on():
    recorders = [Recorder(), Recorder()]
    writer = writers.MultiWriter(recorders)
    writer.write_scalars(1, {"a": 2.0})
    writer.write_images(1, {"b": np.zeros((1, 1, 1))})
    writer.flush()
    writer.close()
    for recorder in recorders:
        assert recorder.calls == [(1, {"a": 2.0}), (1, ["b"]), "flush", "close"]


def test_deferred_scalars_are_written_one_record_late():
    recorder = Recorder()
    scalars = writers.DeferredScalars(recorder, start=0, look=_ignore)
    scalars.push(1, {"loss/generator": jnp.float32(0.5)})
    assert recorder.calls == []
    assert scalars.latest == {}
    scalars.push(2, {"loss/generator": jnp.float32(0.25)})
    assert [_without_speed(call) for call in recorder.calls] == [
        (1, {"loss/generator": 0.5})
    ]
    assert scalars.latest["loss/generator"] == 0.5
    scalars.flush()
    scalars.flush()
    assert [_without_speed(call) for call in recorder.calls[1:]] == [
        (2, {"loss/generator": 0.25})
    ]


def _ignore(step, record):
    pass


def _without_speed(call):
    step, record = call
    return step, {k: v for k, v in record.items() if not k.startswith("perf/")}


def test_speed_is_measured_between_arrivals(monkeypatch):
    now = iter([0.0, 2.0, 100.0, 104.0])
    monkeypatch.setattr(writers.time, "monotonic", lambda: next(now))
    recorder = Recorder()
    scalars = writers.DeferredScalars(recorder, start=10, look=_ignore)
    scalars.push(14, {})
    scalars.flush()  # 4 steps in 2 seconds
    scalars.restart_clock(14)  # an evaluation in between
    scalars.push(15, {})
    scalars.flush()  # 1 step in 4 seconds
    speeds = [record["perf/steps_per_second"] for _, record in recorder.calls]
    assert speeds == [2.0, 0.25]


def test_a_record_is_looked_at_once_it_is_written():
    recorder, seen = Recorder(), []

    def look(step, record):
        seen.append((step, record["loss/pixel"], len(recorder.calls)))
        raise FloatingPointError("stop")

    scalars = writers.DeferredScalars(recorder, start=0, look=look)
    scalars.push(7, {"loss/pixel": jnp.float32(np.inf)})
    with pytest.raises(FloatingPointError, match="stop"):
        scalars.push(8, {"loss/pixel": jnp.float32(0.0)})
    assert seen == [(7, np.inf, 1)]


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


def test_a_full_disk_names_the_folders(tmp_path):
    class Full(writers.MetricWriter):
        def write_scalars(self, step, scalars):
            raise OSError(errno.ENOSPC, "No space left on device")

        write_images = flush = close = write_scalars

    buffers = [UploadBuffer(epath.Path(tmp_path / name)) for name in ("run", "events")]
    writer = writers.BufferedWriter(Full(), buffers)
    where = f"in {tmp_path / 'run'} and {tmp_path / 'events'}: writing failed: No space"
    with pytest.raises(StorageError, match=f"^records of step 3 {where}"):
        writer.write_scalars(3, {})

"""Events of a run, read back by TensorBoard's own reader."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from sisr_jax.run.tensorboard import TensorBoardWriter


def read_events(directory):
    with warnings.catch_warnings():
        # TensorBoard's reader and its protocol buffers warn on newer Pythons
        # about their own code.
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import (
            EventAccumulator,
        )

        sizes = {"scalars": 0, "images": 0, "tensors": 0}
        return EventAccumulator(str(directory), sizes).Reload()


@pytest.fixture
def open_writer(tmp_path):
    def writer(purge_step=1):
        (tmp_path / "baseline").mkdir(exist_ok=True)
        return TensorBoardWriter(tmp_path, tmp_path / "baseline", purge_step)

    return writer


def test_scalars_and_images_are_read_back(tmp_path, open_writer):
    writer = open_writer()
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


def test_the_baseline_is_a_line_in_the_chart_and_the_protocol_none(
    tmp_path, open_writer
):
    writer = open_writer()
    for step in (4, 8):
        scalars = {"eval/psnr": 20.0 + step, "baseline/psnr": 27.0}
        writer.write_scalars(step, scalars, protocol="physical-ct-x16-abcdef")
    writer.close()
    assert read_events(tmp_path).Tags()["scalars"] == ["eval/psnr"]
    line = read_events(tmp_path / "baseline")
    assert line.Tags()["scalars"] == ["eval/psnr"]
    points = [(point.step, point.value) for point in line.Scalars("eval/psnr")]
    assert points == [(4, 27.0), (8, 27.0)]


def test_texts_are_read_back(tmp_path, open_writer):
    writer = open_writer()
    writer.write_texts(3, {"config": "    {\n    }"})
    writer.close()
    (event,) = read_events(tmp_path).Tensors("config/text_summary")
    assert event.step == 3
    assert event.tensor_proto.string_val[0].decode() == "    {\n    }"


def test_flushed_events_are_in_the_file(tmp_path, open_writer):
    writer = open_writer()
    for step in range(1, 51):
        writer.write_scalars(step, {"loss/generator": step, "baseline/psnr": 1.0})
    writer.flush()
    for folder, name in ((tmp_path, "loss/generator"), (tmp_path / "baseline", None)):
        points = read_events(folder).Scalars(name or "eval/psnr")
        assert [point.step for point in points] == list(range(1, 51))
    writer.close()


def test_a_resumed_run_hides_what_it_writes_again(tmp_path, open_writer):
    killed = open_writer()
    for step in range(1, 6):
        killed.write_scalars(step, {"loss/generator": 100.0})
    killed.close()
    resumed = open_writer(purge_step=4)
    for step in range(4, 7):
        resumed.write_scalars(step, {"loss/generator": 1.0})
    resumed.close()
    points = read_events(tmp_path).Scalars("loss/generator")
    assert [point.step for point in points] == [1, 2, 3, 4, 5, 6]
    assert [point.value for point in points] == [100.0] * 3 + [1.0] * 3

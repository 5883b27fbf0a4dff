"""Records of a run: whole lines, valid JSON."""

import errno
import json
import os

import numpy as np
import pytest
from etils import epath
from recorders import Recorder

from sisr_jax.errors import InputError, StorageError
from sisr_jax.run import writers
from sisr_jax.storage.upload_buffer import UploadBuffer


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


def test_json_lines_name_the_protocol_of_a_record(tmp_path):
    path = tmp_path / "metrics.jsonl"
    writer = writers.JsonLinesWriter(path)
    writer.write_scalars(2, {"eval/psnr": 30.0}, protocol="physical-ct-x16-abcdef")
    writer.write_texts(2, {"config": "long"})
    writer.close()
    record = {"step": 2, "eval/psnr": 30.0, "protocol": "physical-ct-x16-abcdef"}
    assert records_of(path) == [record]


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


@pytest.mark.parametrize("step", ['"3"', "null", "3.5", "true", "[]", "{}", "1e400"])
@pytest.mark.parametrize("is_last", [False, True])
def test_a_step_that_is_no_integer_is_named(tmp_path, step, is_last):
    path = tmp_path / "metrics.jsonl"
    lines = ['{"step": 1}', f'{{"step": {step}}}'] + ['{"step": 2}'] * (not is_last)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 2: b'{\"step\": .* is"):
        writers.truncate_after(path, 1)
    assert path.read_text().splitlines() == lines


@pytest.mark.parametrize("line", [b"\xff\xfe", b"[" * 100_000, b"[]", b'{"a": 1}'])
def test_lines_of_another_kind_are_named(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(line + b'\n{"step": 2}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 1: .* is not a record"):
        writers.truncate_after(path, 1)


def test_multi_writer_passes_everything_on():
    recorders = [Recorder(), Recorder()]
    writer = writers.MultiWriter(recorders)
    writer.write_scalars(1, {"a": 2.0}, protocol="p")
    writer.write_images(1, {"b": np.zeros((1, 1, 1))})
    writer.write_texts(1, {"c": "d"})
    writer.flush()
    writer.close()
    for recorder in recorders:
        assert recorder.calls == [
            (1, {"a": 2.0, "protocol": "p"}),
            (1, ["b"]),
            (1, {"c": "d"}),
            "flush",
            "close",
        ]


def test_a_full_disk_names_the_folders(tmp_path):
    class Full(writers.MetricWriter):
        def write_scalars(self, step, scalars, *, protocol=""):
            raise OSError(errno.ENOSPC, "No space left on device")

        write_images = write_texts = flush = close = write_scalars

    buffers = [UploadBuffer(epath.Path(tmp_path / name)) for name in ("run", "events")]
    writer = writers.BufferedWriter(Full(), buffers)
    where = f"in {tmp_path / 'run'} and {tmp_path / 'events'}: writing failed: No space"
    with pytest.raises(StorageError, match=f"^records of step 3 {where}"):
        writer.write_scalars(3, {})
    with pytest.raises(StorageError, match=f"^texts of step 3 {where}"):
        writer.write_texts(3, {})


@pytest.mark.parametrize(
    "put",
    [os.mkfifo, os.mkdir, lambda path: os.symlink(path, path)],
    ids=["pipe", "folder", "link"],
)
def test_records_that_are_no_file_are_refused(tmp_path, put):
    put(tmp_path / "metrics.jsonl")
    with pytest.raises(InputError, match=r"metrics\.jsonl: a folder, pipe, device or"):
        writers.truncate_after(tmp_path / "metrics.jsonl", 3)

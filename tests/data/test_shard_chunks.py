import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter

from sisr_jax.data import shard_chunks
from sisr_jax.data.shard_chunks import MAX_RECORD_BYTES, check_shard
from sisr_jax.errors import InputError

OPTIONS = ("", ",uncompressed", ",brotli:1", ",zstd:9", ",transpose")


def write(path, records, options):
    writer = ArrayRecordWriter(str(path), options)
    for record in records:
        writer.write(record)
    writer.close()
    return path


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("size", [0, 1, 100, 5000, 2**16 - 70, 2**16, 300_000])
def test_chunks_are_followed_to_the_end(tmp_path, monkeypatch, options, size):
    """Wherever a header of a block falls into a chunk, or into its header."""
    path = tmp_path / "a"
    rng = np.random.default_rng(size)
    lengths = rng.integers(size // 2, size + 1, 30 if size < 10_000 else 5)
    records = [rng.bytes(int(length)) for length in lengths]
    check_shard(write(path, records, f"group_size:1{options}"))
    monkeypatch.setattr(shard_chunks, "MAX_RECORD_BYTES", max(map(len, records)))
    sizes = []  # a record, but also the index at the end, may be the largest
    for _ in range(2):
        try:
            check_shard(path)
        except InputError as error:
            sizes.append(int(str(error).split(" bytes")[0].split()[-1]))
            monkeypatch.setattr(shard_chunks, "MAX_RECORD_BYTES", sizes[-1])
    assert len(sizes) < 2
    monkeypatch.setattr(shard_chunks, "MAX_RECORD_BYTES", max(map(len, records)) - 1)
    with pytest.raises(InputError, match=r"a: a record of \d+ bytes, expected at most"):
        check_shard(path)


def test_small_file_of_a_large_record(tmp_path):
    path = write(tmp_path / "a", [b"1", bytes(MAX_RECORD_BYTES + 1)], "group_size:1")
    assert path.stat().st_size < 2**18
    with pytest.raises(InputError, match="a record of 134217729 bytes, expected"):
        check_shard(path)
    check_shard(write(tmp_path / "b", [bytes(MAX_RECORD_BYTES)], "group_size:1"))


@pytest.mark.parametrize("cut", [1, 40, 2**16, 2**16 + 30])
def test_shard_that_is_cut_off(tmp_path, cut):
    path = write(
        tmp_path / "a", [np.random.default_rng(0).bytes(200_000)], "group_size:1"
    )
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match="a: cut off, or not an array_record file"):
        check_shard(path)


@pytest.mark.parametrize("fill", [0, 7, 255])
def test_file_of_another_kind(tmp_path, fill):
    path = tmp_path / "a"
    path.write_bytes(bytes([fill]) * 10**6)
    with pytest.raises(InputError, match=r"a: cut off, or not an array_record file"):
        check_shard(path)
    with pytest.raises(InputError, match=r"b: cannot be read \(No such file"):
        check_shard(tmp_path / "b")

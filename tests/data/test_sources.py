import csv
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from image_files import make_config, ramp, write_png
from tfds_folder import write_images, write_records

from sisr_jax.data.pipeline import evaluation_batches, training_batches
from sisr_jax.data.sources import CachedSource, Mirrored, details, open_source, spread

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not (SHARED / "manifest.csv").is_file(),
    reason="the team's folder of real images is not beside the checkout",
)


class CountingSource:
    def __init__(self, count):
        self.reads = []
        self._count = count

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        self.reads.append(index)
        return np.full((4, 4), index, np.float32)

    def name(self, index):
        return f"image {index}"


def test_cache_reads_each_image_once_until_it_is_full():
    inner = CountingSource(4)
    source = CachedSource(inner, max_bytes=3 * 64)
    for _ in range(3):
        for i in range(4):
            assert source[i][0, 0] == i
    assert inner.reads == [0, 1, 2, 3, 3, 3]
    assert source.name(2) == "image 2"
    with pytest.raises(ValueError, match="read-only"):
        source[0][0, 0] = 5


@pytest.mark.parametrize(
    ("count", "indices"), [(0, range(10)), (4, [0, 2, 5, 7]), (99, range(10))]
)
def test_spread_takes_evenly(count, indices):
    source = spread(CountingSource(10), count)
    assert [int(source[i][0, 0]) for i in range(len(source))] == list(indices)
    assert source.name(1) == f"image {indices[1]}"
    with pytest.raises(ValueError, match="count = -1"):
        spread(source, -1)


class SmallSource(CountingSource):
    def __getitem__(self, index):
        return np.arange(12, dtype=np.float32).reshape(3, 4)


def test_mirrored_images_have_the_size_and_keep_their_middle():
    source = Mirrored(SmallSource(1), (6, 3))
    expected = np.arange(12).reshape(3, 4)[[1, 0, 1, 2, 1, 0]]
    np.testing.assert_array_equal(source[0], expected)
    assert (len(source), source.name(0)) == (1, "image 0")
    # Far more than the image has: the mirror is mirrored again.
    wide = Mirrored(SmallSource(1), (3, 14))[0]
    np.testing.assert_array_equal(wide[0], [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2])


def test_details_pass_through_every_wrapper():
    class Records(CountingSource):
        def details(self, index):
            return {"age": index}

    source = spread(CachedSource(Records(10), max_bytes=0), 4)
    assert [details(source, i)["age"] for i in range(4)] == [0, 2, 5, 7]
    assert details(spread(CountingSource(10), 4), 1) == {}


@pytest.mark.parametrize("kind", ["ct_phantoms", "ultrasound_phantoms"])
def test_phantoms_open_by_their_config_name(kind):
    source = open_source(make_config(source=kind), "validation", seed=3)
    again = open_source(make_config(source=kind), "validation", seed=3)
    other = open_source(make_config(source=kind), "validation", seed=4)
    assert len(source) == 3
    assert source.name(0).startswith(kind[:-1])
    np.testing.assert_array_equal(source[1], again[1])
    assert np.any(source[1] != other[1])


@pytest.mark.parametrize(
    ("dtype", "start", "offset"), [(np.int16, -1000, 0), (np.uint16, 32000, -32768)]
)
def test_tfds_round_trip(tmp_path, dtype, start, offset):
    import tensorflow_datasets as tfds

    images = [ramp((16, 16, 1), dtype, start + i) for i in range(5)]
    feature = tfds.features.Tensor(shape=(16, 16, 1), dtype=dtype)
    path = write_images(tmp_path, feature, images)
    config = make_config(source="tfds", path=path, window=(-2000.0, 2000.0))
    source = open_source(config, "train", seed=0)
    assert len(source) == 5
    read = {float(source[i][0, 0]) for i in range(5)}
    assert read == {start + i + offset for i in range(5)}
    np.testing.assert_array_equal(np.diff(source[0], axis=1), 1)
    assert len({source.name(i) for i in range(5)}) == 5
    with training_batches(source, config, seed=0, start_step=0) as batches:
        assert next(batches).hr.shape == (4, 16, 16, 1)
    assert "tensorflow" not in sys.modules
    with pytest.raises(ValueError, match="no split 'validation'; it has "):
        open_source(config, "validation", seed=0)


def test_tfds_uint16_images_need_no_opencv(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setitem(sys.modules, "cv2", None)
    image = ramp(start=50000)
    written = write_png(tmp_path / "a.png", image).read_bytes()
    feature = tfds.features.Image(shape=(16, 16, 1), dtype=np.uint16)
    path = write_images(tmp_path, feature, [written, written[:-40]])
    source = open_source(make_config(source="tfds", path=path), "train", seed=0)
    images, errors = [], []
    for i in range(2):
        try:
            images.append(source[i])
        except ValueError as error:
            errors.append(str(error))
    np.testing.assert_array_equal(images, [image - 32768.0])
    assert re.match(r"tiny/train/00000\d: truncated or damaged PNG", errors[0])


@pytest.mark.parametrize("encoding", ["png", "zlib"])
def test_details_of_records_decode_no_pixels(tmp_path, encoding):
    import tensorflow_datasets as tfds

    from sisr_jax.data.encodings import slice_feature

    written = write_png(tmp_path / "a.png", ramp()).read_bytes()[:-40]
    image = written if encoding == "png" else ramp((16, 16, 1))
    features = {
        "image": slice_feature(encoding, (16, 16)),
        "boxes": tfds.features.Tensor(shape=(None, 4), dtype=np.float32),
        "patient_index": np.int32,
    }
    records = [
        {
            "image": image,
            "boxes": np.full((i, 4), i, np.float32),
            "patient_index": 9 - i,
        }
        for i in range(3)
    ]
    path = write_records(tmp_path, features, records)
    config = make_config(source="tfds", path=path)
    source = open_source(config, "train", seed=0)
    found = [details(source, i) for i in range(3)]
    assert all(set(each) == {"boxes", "patient_index"} for each in found)
    pairs = {(int(each["patient_index"]), each["boxes"].shape) for each in found}
    assert pairs == {(9, (0, 4)), (8, (1, 4)), (7, (2, 4))}
    if encoding == "png":  # the pixels are damaged, and were not looked at
        with pytest.raises(ValueError, match="damaged PNG"):
            source[0]


def test_tfds_folder_that_is_none(tmp_path):
    config = make_config(source="tfds", path=str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match=r"nothing'.*no dataset_info\.json"):
        open_source(config, "train", seed=0)


REAL = {
    "ct": {"shape": (512, 512), "window": (-1024.0, 2000.0)},
    "us": {
        "shape": (256, 256),
        "window": (0.0, 255.0),
        "fit": "crop",
        "png_rescale": (1.0, 0.0),
    },
}
COUNTS = {"ct": (142, 22, 59), "us": (218, 56, 120)}


@pytest.mark.parametrize(
    "modality", [pytest.param(m, marks=needs_shared) for m in REAL]
)
def test_real_images_open_by_their_manifest(modality):
    config = make_config(
        source="folder",
        path=str(SHARED / modality),
        splits_csv=str(SHARED / "manifest.csv"),
        batch_size=2,
        **REAL[modality],
    )
    sources = [
        open_source(config, split, seed=0) for split in ("train", "validation", "test")
    ]
    assert tuple(map(len, sources)) == COUNTS[modality]
    with (SHARED / "manifest.csv").open(newline="") as file:
        patients = {row["file"]: row["patient_id"] for row in csv.DictReader(file)}
    found = [
        {patients[f"{modality}/{source.name(i)}"] for i in range(len(source))}
        for source in sources
    ]
    assert not found[0] & found[2]
    with training_batches(sources[0], config, seed=0, start_step=0) as batches:
        batch = next(batches)
    assert batch.hr.shape == (2, *config.shape, 1)
    with evaluation_batches(sources[1], config, batch_size=2) as batches:
        batch = next(batches)
    assert 0.01 < batch.hr.mean() < 0.9


def test_open_source_reads_a_folder(tmp_path):
    write_png(tmp_path / "P1__1.png", ramp())
    config = make_config(source="folder", path=str(tmp_path))
    source = open_source(config, "train", seed=0)
    assert source[0] is source[0]
    np.testing.assert_array_equal(source[0], ramp() - 32768.0)

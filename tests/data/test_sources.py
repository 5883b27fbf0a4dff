import csv
import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from image_files import make_config, ramp, write_png

from experiments.reliability.fuzzing.tfds_folder import write_images, write_records
from sisr_jax.data import sources
from sisr_jax.data.folder import Entry, FolderSource
from sisr_jax.data.pipeline import evaluation_batches, training_batches
from sisr_jax.data.sources import (
    CachedSource,
    Mirrored,
    Subset,
    details,
    fingerprint,
    open_source,
    spread,
)

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


def test_an_image_that_two_threads_read_at_once_takes_its_place_once():
    both = threading.Barrier(2, timeout=60)

    class Slow(CountingSource):
        def __getitem__(self, index):
            if index == 0:
                both.wait()
            return super().__getitem__(index)

    inner = Slow(3)
    source = CachedSource(inner, max_bytes=2 * 64)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(source.__getitem__, [0, 0]))
    for _ in range(2):
        assert source[1][0, 0] == 1
    assert inner.reads == [0, 0, 1]


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


def write_folder(root, names=("P1__a", "P1__b", "P2__c")):
    for i, name in enumerate(names):
        root.mkdir(exist_ok=True)
        np.savez(root / f"{name}.npz", ramp((16, 16), np.float32, 100 * i))
    return root


def fingerprint_of(root, split="train", **changes):
    lines = [f"{path.name},{split}" for path in root.glob("*.npz")]
    (root / "splits.csv").write_text("\n".join(["file,split", *lines, ""]))
    config = make_config(
        source="folder", path=str(root), splits_csv=str(root / "splits.csv"), **changes
    )
    return fingerprint(open_source(config, split, seed=0))


def test_fingerprint_is_of_the_images_alone(tmp_path):
    before = fingerprint_of(write_folder(tmp_path / "a"))
    assert re.fullmatch("[0-9a-f]{64}", before)
    moved = write_folder(tmp_path / "elsewhere")
    for path in moved.iterdir():
        os.utime(path, (1, 1))
    (moved / "notes.txt").write_text("no image")
    assert fingerprint_of(moved) == before
    assert fingerprint_of(moved, window=(0.0, 1.0), batch_size=1) == before


def swap(root):
    (root / "P1__a.npz").rename(root / "x")
    (root / "P1__b.npz").rename(root / "P1__a.npz")
    (root / "x").rename(root / "P1__b.npz")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "P1__b.npz").unlink(),
        lambda root: write_folder(root, ["P1__aa"]),
        lambda root: (root / "P1__b.npz").rename(root / "P1__bb.npz"),
        lambda root: np.savez(root / "P1__b.npz", ramp((16, 16), np.float64)),
        lambda root: np.savez(root / "P1__b.npz", ramp((16, 16), np.float32, 101)),
        swap,
    ],
    ids=["removed", "added", "renamed", "size", "content", "swapped"],
)
def test_fingerprint_tells_that_data_changed(tmp_path, change):
    before = fingerprint_of(write_folder(tmp_path / "a"))
    change(tmp_path / "a")
    assert fingerprint_of(tmp_path / "a") != before


def test_fingerprint_of_many_files(tmp_path, monkeypatch):
    """Sizes of all, and content of some."""
    monkeypatch.setattr(sources, "_SAMPLES", 2)
    monkeypatch.setattr(sources, "_SAMPLE_BYTES", 100)
    names = [f"P{i}__a" for i in range(6)]
    root = write_folder(tmp_path / "a", names)
    before = fingerprint_of(root)
    for name, is_noticed in (("P3__a", True), ("P4__a", False)):
        np.savez(root / f"{name}.npz", ramp((16, 16), np.float32, 5))
        assert (fingerprint_of(root) != before) == is_noticed
        write_folder(root, names)
        assert fingerprint_of(root) == before
    np.savez(root / "P4__a.npz", ramp((16, 17), np.float32))
    with pytest.raises(ValueError, match="mixed sizes"):
        fingerprint_of(root)
    assert fingerprint_of(root, fit="crop") != before


def test_fingerprint_looks_into_the_middle_of_a_file(tmp_path, monkeypatch):
    """Headers are alike, and so are the borders of images."""
    monkeypatch.setattr(sources, "_SAMPLE_BYTES", 100)
    path, found = tmp_path / "a.npz", set()
    for middle in (b"", b"x", b"y"):
        path.write_bytes(bytes(500) + middle.ljust(1) + bytes(499))
        source = FolderSource(tmp_path, [Entry(path, 0, 1)], (1.0, 0.0))
        found.add(fingerprint(source))
    assert len(found) == 3


def test_fingerprint_through_every_wrapper(tmp_path):
    source = FolderSource(
        tmp_path, [Entry(tmp_path / f"{i}.npz", 0, 1) for i in range(3)], (1.0, 0.0)
    )
    for i in range(3):
        (tmp_path / f"{i}.npz").write_bytes(b"1")
    wrapped = [
        source,
        CachedSource(source, max_bytes=0),
        Mirrored(source, (3, 3)),
        Subset(source, [0, 2]),
    ]
    before = [fingerprint(each) for each in wrapped]
    assert len({*before}) == 2  # the subset has other images
    (tmp_path / "2.npz").write_bytes(b"2")
    after = [fingerprint(each) for each in wrapped]
    assert all(old != new for old, new in zip(before, after, strict=True))
    (tmp_path / "2.npz").unlink()
    with pytest.raises(ValueError, match=r"2\.npz: cannot be opened"):
        fingerprint(source)


def test_fingerprint_of_phantoms_and_records(tmp_path):
    import tensorflow_datasets as tfds

    def of_phantoms(**changes):
        return fingerprint(open_source(make_config(**changes), "train", seed=0))

    assert of_phantoms() == of_phantoms()
    assert of_phantoms(num_phantoms=(8, 3, 5)) != of_phantoms()
    feature = tfds.features.Tensor(shape=(16, 16, 1), dtype=np.int16)
    found = set()
    for name, start in (("a", 0), ("b", 0), ("c", 1)):
        images = [ramp((16, 16, 1), np.int16, start)]
        path = write_images(tmp_path / name, feature, images)
        source = open_source(make_config(source="tfds", path=path), "train", seed=0)
        found.add(fingerprint(source))
    assert len(found) == 2


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

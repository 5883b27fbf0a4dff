import json
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_files import make_config, ramp

from experiments.reliability.fuzzing.tfds_folder import write_images, write_records
from sisr_jax.data import encodings, json_fields, shard_chunks
from sisr_jax.data.encodings import slice_feature
from sisr_jax.data.prepared import Info, read_info
from sisr_jax.data.record_features import read_features
from sisr_jax.data.records import Records
from sisr_jax.data.sources import open_source
from sisr_jax.errors import InputError
from sisr_jax.storage.failures import reporting

PLACE = "tensorflow_datasets.core.features."


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    import tensorflow_datasets as tfds

    feature = tfds.features.Tensor(shape=(16, 16, 1), dtype=np.int16)
    images = [ramp((16, 16, 1), np.int16, i) for i in range(3)]
    folder = Path(write_images(tmp_path_factory.mktemp("written"), feature, images))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path, written):
    for name, content in written.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def open_folder(folder):
    """As a run does it: a bad folder is no failure of a storage."""
    config = make_config(source="tfds", path=str(folder))
    with reporting("run/config.json: writing"):
        return open_source(config, "train", seed=0)


def change(path, *keys, to):
    """Sets one field of a JSON file."""
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    path.write_text(json.dumps(content))


def refuse(folder, message):
    with pytest.raises(InputError, match=message) as error:
        open_folder(folder)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    assert str(folder) in str(error.value)


IMAGE = ("featuresDict", "features", "image")
EVIL = {"pythonClassName": "evil_features.Evil", "jsonFeature": {"json": "{}"}}
ELSEWHERE = [{"filename": "/etc/passwd", "examplesInShard": "3"}, {"filename": "../a"}]


def inside(feature):
    return {
        "pythonClassName": f"{PLACE}features_dict.FeaturesDict",
        "featuresDict": {"features": {"b": feature}},
    }


@pytest.mark.parametrize(
    ("file", "keys", "value"),
    [
        ("features.json", ("pythonClassName",), "evil_features.Evil"),
        ("features.json", (*IMAGE, "pythonClassName"), "evil_features.Evil"),
        ("features.json", (*IMAGE, "python_class_name"), "evil_features.Evil"),
        ("features.json", IMAGE, EVIL),
        ("features.json", IMAGE, {"type": "evil_features.Evil", "content": {}}),
        ("features.json", ("type",), "evil_features.Evil"),
        (
            "features.json",
            IMAGE,
            {
                "pythonClassName": f"{PLACE}sequence_feature.Sequence",
                "sequence": {"feature": EVIL, "length": "-1"},
            },
        ),
        ("features.json", (*IMAGE, "pythonClassName"), f"{PLACE}..evil_features.Evil"),
        ("features.json", ("featuresDict", "features", "b"), inside(inside(EVIL))),
        ("features.json", ("featuresDict", "features", "b"), inside({"b": EVIL})),
        ("features.json", (*IMAGE, "jsonFeature"), {"json": "evil_features.Evil"}),
        ("features.json", (*IMAGE, "protoCls"), "evil_features.Evil"),
        ("features.json", ("proto_cls",), "evil_features.Evil"),
        ("features.json", ("module",), "evil_features"),
        ("dataset_info.json", ("features",), EVIL),
        ("dataset_info.json", ("moduleName",), "evil_features"),
        ("dataset_info.json", ("splits", 0, "fileInstructions"), ELSEWHERE),
        ("dataset_info.json", ("splits", 0, "filenames"), ["../evil_features.py"]),
        ("dataset_info.json", ("dataDir",), "/etc"),
    ],
)
def test_a_folder_imports_nothing(folder, monkeypatch, file, keys, value):
    (folder / "evil_features.py").write_text(
        "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(folder)
    change(folder / file, *keys, to=value)
    if file == "features.json":
        refuse(folder, r"features\.json: .*(of type|which is not known)")
    else:  # nothing of it is looked at
        source = open_folder(folder)
        assert len(source) == 3
        assert {path.parent for path in source.files()} == {folder}
    assert "evil_features" not in sys.modules
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    "kind",
    [
        "class_label_feature.ClassLabel",
        "audio_feature.Audio",
        "features_dict.FeaturesDict2",
        "features_dict",
        "",
    ],
)
def test_unknown_types_of_tfds_are_refused(folder, kind):
    change(folder / "features.json", *IMAGE, "pythonClassName", to=PLACE + kind)
    refuse(folder, "of type .* expected one of FeaturesDict, Image, Scalar")


NOT_TEXT = b"\xff\xfe{}"
DEEP = b"[" * 100_000


@pytest.mark.parametrize("file", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON, or damaged"),
        (b"[]", r"is \[\], expected an object"),
        (b"null", "is None, expected an object"),
        (b"3", "is 3, expected an object"),
        (b'{"a": ', "not JSON, or damaged"),
        (b"{}", "is None, expected|of type None, expected"),
        (b'{"name": 1, "name": 2}', "a key is given twice"),
        (NOT_TEXT, "not UTF-8"),
        (DEEP, "not JSON, or damaged"),
        (b" " * (2**20 + 1), "more than 1048576 bytes"),
        (b"1" * 5000, "not JSON, or damaged"),
    ],
    ids=range(11),
)
def test_descriptions_that_are_none(folder, file, content, message):
    (folder / file).write_bytes(content)
    refuse(folder, rf"{file}: .*({message})")


@pytest.mark.parametrize("cut", range(10, 290, 40))
@pytest.mark.parametrize("file", ["dataset_info.json", "features.json"])
def test_descriptions_that_are_cut_off(folder, file, cut):
    path = folder / file
    path.write_bytes(path.read_bytes()[:cut])
    refuse(folder, f"{file}: not JSON")


SPLIT = ("splits", 0)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("version",), "latest", "version is 'latest', expected like"),
        (("version",), "1.0", "version is '1.0'"),
        (("version",), "", "version is ''"),
        (("version",), [1], r"version is \[1\]"),
        (("version",), "x" * 10**5, "version is 'xxx"),
        (("name",), "../../etc", "name is '../../etc'"),
        (("name",), None, "name is None"),
        (("configName",), "a/b", "configName is 'a/b'"),
        (("fileFormat",), "tfrecord", "fileFormat is 'tfrecord', not in array_record"),
        (("fileFormat",), {"a": 1}, "fileFormat is {'a': 1}, not in array_record"),
        (("alternativeFileFormats",), "x", "alternativeFileFormats is 'x'"),
        (("splits",), {}, "splits is {}, expected a list"),
        (("splits",), [3], "a split is 3, expected an object"),
        (("splits",), [], "no split 'train'; it has none"),
        ((*SPLIT, "name"), "../train", "name of a split is '../train'"),
        ((*SPLIT, "name"), "test", "no split 'train'; it has test"),
        ((*SPLIT, "filepathTemplate"), "/etc/{SPLIT}", "filepathTemplate .* '/etc/"),
        ((*SPLIT, "filepathTemplate"), "../{DATASET}", "filepathTemplate"),
        ((*SPLIT, "shardLengths"), 3, "shardLengths is 3, expected a list"),
        ((*SPLIT, "shardLengths"), ["-1", "4"], "expected 0 to 2147483647"),
        ((*SPLIT, "shardLengths"), ["999999999999"], "expected 0 to 2147483647"),
        ((*SPLIT, "shardLengths"), ["9" * 40], "a shard length is '999"),
        ((*SPLIT, "shardLengths"), [True], "a shard length is True"),
        ((*SPLIT, "shardLengths"), [1.5], "a shard length is 1.5"),
        ((*SPLIT, "shardLengths"), ["0"], "no split 'train'"),
        (
            (*SPLIT, "shardLengths"),
            ["2"],
            "3 records in the shards .* 2 in dataset_inf",
        ),
        ((*SPLIT, "shardLengths"), ["3", "3"], "00000-of-00002: no such file"),
    ],
)
def test_dataset_info_of_another_kind(folder, keys, value, message):
    change(folder / "dataset_info.json", *keys, to=value)
    refuse(folder, message)


def test_a_split_that_is_there_twice(folder):
    path = folder / "dataset_info.json"
    splits = json.loads(path.read_text())["splits"]
    change(path, "splits", to=splits * 2)
    refuse(folder, "split 'train' is there twice")


TENSOR = (*IMAGE, "tensor")


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        ((*TENSOR, "dtype"), "complex64", "tensor of type 'complex64'"),
        ((*TENSOR, "dtype"), ["int16"], r"tensor of type \['int16'\]"),
        ((*TENSOR, "dtype"), None, "tensor of type None"),
        ((*TENSOR, "encoding"), "gzip", "encoding 'gzip'"),
        ((*TENSOR, "encoding"), {}, "encoding {}"),
        ((*TENSOR, "maximum"), 3, "a tensor|tensor with the key 'maximum'"),
        ((*TENSOR, "shape"), [16, 16], r"shape is \[16, 16\], expected an object"),
        ((*TENSOR, "shape", "dimensions"), ["-1", "-1"], "several unknown sides"),
        ((*TENSOR, "shape", "dimensions"), ["-2"], "expected -1 or 1 and more"),
        ((*TENSOR, "shape", "dimensions"), ["0"], "expected -1 or 1 and more"),
        ((*TENSOR, "shape", "dimensions"), ["1"] * 9, "expected -1 or 1 and more"),
        ((*TENSOR, "shape", "dimensions"), ["65536"] * 2, "expected at most 268435456"),
        ((*TENSOR, "shape", "dimensions"), 16, "dimensions is 16, expected a list"),
        ((*IMAGE, "text"), {}, "Tensor with the key 'text', which is not known"),
        (("featuresDict", "features"), {}, "FeaturesDict without features"),
        (("featuresDict", "features"), [], r"features is \[\]"),
        (("featuresDict",), [], r"featuresDict is \[\]"),
        (("featuresDict", "features", "../x"), {}, r"name of a feature is '\.\./x'"),
    ],
)
def test_features_of_another_kind(folder, keys, value, message):
    change(folder / "features.json", *keys, to=value)
    refuse(folder, rf"features\.json: .*{message}")


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (
            {
                "pythonClassName": f"{PLACE}image_feature.Image",
                "image": {"shape": {"dimensions": ["4", "4", "3"]}, "dtype": "uint8"},
            },
            "expected one channel of uint8 or uint16 as png",
        ),
        (
            {
                "pythonClassName": f"{PLACE}image_feature.Image",
                "image": {
                    "shape": {"dimensions": ["4", "4", "1"]},
                    "dtype": "uint8",
                    "encodingFormat": "jpeg",
                },
            },
            "encoding 'jpeg'",
        ),
        (
            {
                "pythonClassName": f"{PLACE}text_feature.Text",
                "text": {"vocabSize": "8", "encoderClass": "x"},
            },
            "text with the key 'vocabSize'",
        ),
        (
            {
                "pythonClassName": f"{PLACE}sequence_feature.Sequence",
                "sequence": {
                    "feature": {"pythonClassName": f"{PLACE}text_feature.Text"},
                    "length": "-1",
                },
            },
            "expected one of images",
        ),
    ],
)
def test_features_with_what_is_not_used(folder, feature, message):
    change(folder / "features.json", *IMAGE, to=feature)
    refuse(folder, message)


def test_features_inside_features_without_an_end(folder):
    nested = {"pythonClassName": f"{PLACE}text_feature.Text"}
    for _ in range(50):
        nested = {
            "pythonClassName": f"{PLACE}features_dict.FeaturesDict",
            "featuresDict": {"features": {"a": nested}},
        }
    (folder / "features.json").write_text(json.dumps(nested))
    refuse(folder, "features more than 3 deep")


def test_every_type_that_is_written_is_read(tmp_path):
    """The list is what DeepLesion and duke_ultrasound consist of, in TFDS's words."""
    import tensorflow_datasets as tfds

    values = ramp((5, 4), np.float32, 0)
    features = {
        "text": tfds.features.Text(),
        "string": tfds.features.Tensor(shape=(), dtype=np.str_),
        "scalar": tfds.features.Scalar(np.int64),
        "flag": np.bool_,
        "count": np.uint32,
        "row": tfds.features.Tensor(shape=(None, 4), dtype=np.float32),
        "free": tfds.features.Tensor(
            shape=(None, None), dtype=np.float32, encoding="bytes"
        ),
        "packed": tfds.features.Tensor(
            shape=(None, None), dtype=np.float32, encoding="zlib"
        ),
        "das": {"dB": tfds.features.Tensor(shape=(None,), dtype=np.float32)},
        "inner": {
            "zip": tfds.features.Tensor(shape=(5, 4), dtype=np.float32, encoding="zlib")
        },
    }
    record = {
        "text": "a",
        "string": "b",
        "scalar": -(2**40),
        "flag": True,
        "count": 2**32 - 1,
        "row": values,
        "free": values,
        "packed": values,
        "das": {"dB": values[0]},
        "inner": {"zip": values},
    }
    folder = Path(write_records(tmp_path, features, [record]))
    assert read_info(folder) == Info("tiny", "", {"train": (1,)})
    assert set(read_features(folder).decoders) == {"packed", "inner"}
    [found] = Records(str(folder), "train")
    assert found.keys() == record.keys()
    assert (found["text"], found["string"]) == (b"a", b"b")
    for name in ("scalar", "flag", "count"):
        assert found[name] == record[name]
    for name in ("row", "free", "packed"):
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == np.float32
    np.testing.assert_array_equal(found["das"]["dB"], values[0])
    np.testing.assert_array_equal(found["inner"]["zip"], values)


def test_alternative_format(folder):
    change(folder / "dataset_info.json", "fileFormat", to="tfrecord")
    change(folder / "dataset_info.json", "alternativeFileFormats", to=["array_record"])
    assert len(open_folder(folder)) == 3


def test_shard_that_is_damaged(folder):
    [shard] = folder.glob("tiny-train*")
    data = bytearray(shard.read_bytes())
    data[2**16 : 2**16 + 200] = bytes(200)  # the index, in the last 64 KB
    shard.write_bytes(data)
    refuse(folder, r"damaged shard \(\w+: |cut off, or not an array_record file")


def test_record_that_is_damaged(folder):
    source = open_folder(folder)
    [shard] = folder.glob("tiny-train*")
    data = bytearray(shard.read_bytes())
    data[100:140] = bytes(40)
    shard.write_bytes(data)
    with pytest.raises(
        InputError, match=r"^tiny/train/000000: damaged record"
    ) as error:
        source[0]
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("nested", [False, True])
def test_record_without_a_feature(folder, nested):
    content = json.loads((folder / "features.json").read_text())
    features = content["featuresDict"]["features"]
    features["other"] = features["image"]
    if nested:
        features["other"] = {
            "pythonClassName": f"{PLACE}features_dict.FeaturesDict",
            "featuresDict": {"features": {"inner": features["image"]}},
        }
    (folder / "features.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="000001: no feature 'other' in the record"):
        open_folder(folder)[1]


def test_record_of_another_type(folder, monkeypatch):
    """Content of records, which may be private, stays out of the message."""
    change(folder / "features.json", *TENSOR, "encoding", to="zlib")
    with pytest.raises(InputError, match=r"000001: damaged record \(\w+"):
        open_folder(folder)[1]

    def fail(self, data, *, decoders):
        raise KeyError("quotes the record: " + "private " * 10**4)

    monkeypatch.setattr(
        "tensorflow_datasets.features.FeaturesDict.deserialize_example_np", fail
    )
    with pytest.raises(InputError, match="damaged record") as error:
        open_folder(folder)[1]
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_packed_tensor_that_is_cut_off(cut):
    import tensorflow_datasets as tfds

    values = ramp((16, 16), np.int16)
    decoder = encodings.ZlibDecoder()
    decoder.setup(
        feature=tfds.features.Tensor(shape=(16, 16), dtype=np.int16, encoding="bytes")
    )
    packed = zlib.compress(values.tobytes())
    np.testing.assert_array_equal(decoder.decode_example(packed), values)
    with pytest.raises(InputError, match="cut off"):  # also in its checksum alone
        decoder.decode_example(packed[:-cut])


def test_size_of_a_packed_tensor_is_bounded(tmp_path, monkeypatch):
    image = np.zeros((64, 64, 1), np.uint16)
    path = write_images(tmp_path, slice_feature("zlib", (64, 64)), [image])
    records = Records(path, "train")
    assert records[0]["image"].shape == (64, 64, 1)
    monkeypatch.setattr(encodings, "MAX_BYTES", 8191)
    with pytest.raises(InputError, match=r"000000: .* 8191"):
        records[0]


def test_size_of_a_record_is_bounded(tmp_path, monkeypatch):
    image = np.zeros((64, 64, 1), np.uint16)
    path = write_images(tmp_path, slice_feature("raw", (64, 64)), [image])
    monkeypatch.setattr(shard_chunks, "MAX_RECORD_BYTES", 8192)
    with pytest.raises(InputError, match=r"a record of 82\d\d bytes, .* at most 8192"):
        Records(path, "train")


def test_json_in_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(json_fields, "MAX_BYTES", 1)
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(InputError, match=r"a\.json: more than 1 bytes"):
        json_fields.read_json(tmp_path / "a.json", lambda content: content)

import csv
import shutil
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from image_files import make_config

from sisr_jax.data.prepare import main
from sisr_jax.data.records import FLOOR_DB, TfdsSource
from sisr_jax.data.sources import open_source
from sisr_jax.errors import InputError

POLAR = Path(__file__).parents[3].parent / "shared" / "data" / "us_polar"
SECTOR = {
    "initial_radius": 230.5,
    "final_radius": 950.5,
    "initial_angle": -0.15,
    "final_angle": 0.15,
}


def row(file, shape, **changes):
    values = {
        "filename": file,
        "timestamp_id": 20170501112437,
        "f0": 1893939.4,
        "v": 23.0,
        "focus_cm": 6.0,
        "axial_samples": shape[0],
        "lateral_samples": shape[1],
        **SECTOR,
        "probe": "c52v",
        "scanner": "verasonics",
        "target": "phantom",
        "harm": "False",
    }
    return values | changes


def write_split(root, split, rows):
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"{split}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def write_mat(path, iq, dtce, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {"iq": iq, "dtce": dtce}, **options)


def samples(shape=(12, 8), seed=0):
    rng = np.random.default_rng(seed)
    iq = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return (1000 * iq).astype(np.complex64), rng.uniform(0, 255, shape)


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "in"
    for i, (split, target) in enumerate(
        (("train", "phantom"), ("validation", "phantom"), ("test", "mark"))
    ):
        iq, dtce = samples(seed=i)
        folder = "mark_data" if target == "mark" else "phantom_data"
        write_mat(root / folder / f"sub/{i}.mat", iq, dtce, do_compression=bool(i))
        write_split(root, split, [row(f"sub/{i}.mat", (12, 8), target=target)])
    return root


def run(root, folder, *options):
    return main(
        ["duke_ultrasound", f"--manual_dir={root}", f"--data_dir={folder}", *options]
    )


def open_prepared(folder, image, split="train", **changes):
    path = str(folder / "duke_ultrasound" / image / "3.0.0")
    config = make_config(source="tfds", path=path, shape=(12, 8), **changes)
    return open_source(config, split, seed=0), TfdsSource(config, split)


@pytest.mark.parametrize("target", ["dtce", "bmode"])
def test_prepared_images_and_geometry(tree, tmp_path, target):
    assert run(tree, tmp_path, f"--target={target}") == 0
    for i, split in enumerate(("train", "validation", "test")):
        source, records = open_prepared(tmp_path, target, split)
        iq, dtce = samples(seed=i)
        magnitude = np.abs(iq)
        expected = {"dtce": dtce, "bmode": 20 * np.log10(magnitude / magnitude.max())}
        np.testing.assert_allclose(source[0], expected[target], rtol=1e-5, atol=1e-4)
        details = records.details(0)
        for name, value in SECTOR.items():
            assert details[name] == pytest.approx(value)
        assert details["name"] == f"sub/{i}.mat".encode()
        assert details["target"] == (b"mark" if split == "test" else b"phantom")
        assert details["timestamp_id"] == 20170501112437
        assert details["harmonic"] is False
        if target == "bmode":
            assert details["reference"] == pytest.approx(magnitude.max())
    assert "tensorflow" not in sys.modules


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("features.json", '{"pythonClassName": "evil.Evil"}', "of type 'evil.Evil'"),
        ("features.json", "", "not JSON"),
        ("dataset_info.json", "[]", "expected an object"),
        ("dataset_info.json", None, "TFDS cannot open this folder"),
        ("skipped.csv", "item\n", "no column detail, reason"),
    ],
)
def test_folder_of_somebody_else_where_the_data_goes(
    tree, tmp_path, name, content, message
):
    run(tree, tmp_path)
    path = tmp_path / "duke_ultrasound/dtce/3.0.0" / name
    if content is None:  # fields that only TFDS reads
        content = path.read_text().replace("{", '{"unknownField": 3,', 1)
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        run(tree, tmp_path)
    assert "\n" not in str(error.value)


def pack(folder, archive):
    """As published: a folder of recordings in an archive of its own."""
    with tarfile.open(archive, "w") as file:
        for path in sorted(folder.rglob("*.mat")):
            file.add(path, f"./{path.relative_to(folder).as_posix()}")
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("names", "table"),
    [
        (("phantom_data.tar", "mark_data.tar"), "test.csv"),
        (("vt150j912", "4x51hj56d.tar"), "zg64tm441"),
    ],
)
def test_archives_are_read_where_they_lie(tree, tmp_path, names, table):
    run(tree, tmp_path / "unpacked")
    pack(tree / "phantom_data", tree / names[0])
    pack(tree / "mark_data", tree / names[1])
    (tree / "test.csv").rename(tree / table)
    before = sorted(tree.rglob("*"))
    run(tree, tmp_path / "packed")
    assert sorted(tree.rglob("*")) == before
    for split in ("train", "validation", "test"):
        (packed, _), (unpacked, _) = (
            open_prepared(tmp_path / name, "dtce", split)
            for name in ("packed", "unpacked")
        )
        np.testing.assert_array_equal(packed[0], unpacked[0])


def test_what_an_archive_may_not_hold_is_accounted_for(tree, tmp_path, capsys):
    secret = tmp_path / "secret.mat"
    write_mat(secret, *samples(seed=9))
    pack(tree / "phantom_data", tree / "phantom_data.tar")
    with tarfile.open(tree / "phantom_data.tar", "a") as file:
        file.add(secret, "../escape.mat")
        link = tarfile.TarInfo("link.mat")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        file.addfile(link)
    rows = [row(name, (12, 8)) for name in ("link.mat", "sub/0.mat")]
    write_split(tree, "train", rows)
    run(tree, tmp_path)
    assert len(open_prepared(tmp_path, "dtce")[0]) == 1
    printed = capsys.readouterr().out
    assert "left out: 1 x a name that leaves the archive" in printed
    assert "left out: 1 x a link in the archive" in printed
    folder = tmp_path / "duke_ultrasound/dtce/3.0.0"
    with (folder / "skipped.csv").open(newline="") as file:
        skips = {r["item"]: r["detail"] for r in csv.DictReader(file)}
    assert {"phantom_data.tar: '../escape.mat'", "phantom_data.tar: 'link.mat'"} < (
        skips.keys()
    )
    assert skips["link.mat"].endswith("phantom_data.tar: link.mat: no such file")


def test_archive_that_the_rows_need_is_missing(tree, tmp_path):
    shutil.rmtree(tree / "mark_data")
    with pytest.raises(InputError, match=r"neither mark_data\.tar nor a folder"):
        run(tree, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_silence_is_the_floor(tmp_path):
    iq, dtce = samples()
    iq[0, 0] = 0
    write_mat(tmp_path / "in/phantom_data/a.mat", iq, dtce)
    write_split(tmp_path / "in", "train", [row("a.mat", (12, 8))])
    run(tmp_path / "in", tmp_path, "--target=bmode")
    source, _ = open_prepared(tmp_path, "bmode")
    assert source[0][0, 0] == FLOOR_DB
    assert source[0].max() == 0


@pytest.mark.parametrize("flat", [(1, 96), (96, 1)])
def test_flat_arrays_are_in_row_order(tmp_path, flat):
    iq, dtce = samples()
    write_mat(tmp_path / "in/phantom_data/a.mat", iq.reshape(flat), dtce.reshape(flat))
    write_split(tmp_path / "in", "train", [row("a.mat", (12, 8))])
    run(tmp_path / "in", tmp_path)
    np.testing.assert_allclose(open_prepared(tmp_path, "dtce")[0][0], dtce, rtol=1e-6)


@pytest.mark.skipif(not POLAR.is_dir(), reason="the team's folder is not there")
@pytest.mark.parametrize("target", ["dtce", "bmode"])
def test_real_recordings(tmp_path, target):
    rows = []
    for path in sorted(POLAR.glob("duke_*.npz")):
        with np.load(path) as d:
            name = f"{path.stem}.mat"
            iq = d["iq_real"] + 1j * d["iq_imag"]
            write_mat(tmp_path / "in/phantom_data" / name, iq, d["dtce"])
            sector = {key: d[key].item() for key in SECTOR}
            rows.append(row(name, iq.shape, **sector, harm=str(d["harmonic"].item())))
    write_split(tmp_path / "in", "test", rows)
    run(tmp_path / "in", tmp_path, f"--target={target}")
    source, records = open_prepared(tmp_path, target, "test")
    assert len(source) == 4
    for i, path in enumerate(sorted(POLAR.glob("duke_*.npz"))):
        with np.load(path) as d:
            if target == "dtce":
                np.testing.assert_array_equal(source[i], d["dtce"])
            else:
                level = 10 ** (source[i] / 20) * records.details(i)["reference"]
                power = np.square(d["iq_real"], dtype=np.float64)
                power += np.square(d["iq_imag"], dtype=np.float64)
                audible = power > power.max() * 1e-9
                np.testing.assert_allclose(
                    level[audible], np.sqrt(power[audible]), rtol=1e-4
                )
            details = records.details(i)
            assert details["final_radius"] == pytest.approx(d["final_radius"].item())
            assert details["harmonic"] == d["harmonic"].item()


def test_target_is_checked_against_what_was_prepared(tree, tmp_path):
    run(tree, tmp_path, "--target=bmode")
    source, _ = open_prepared(tmp_path, "bmode", target="bmode")
    np.testing.assert_array_equal(source[0], open_prepared(tmp_path, "bmode")[0][0])
    message = r"config\.data\.target = 'dtce': .*/3\.0\.0 has 'image' or 'bmode'"
    with pytest.raises(InputError, match=message):
        open_prepared(tmp_path, "bmode", target="dtce")


@pytest.mark.parametrize("target", ["dtce", "bmode"])
def test_catalogue_records_with_flat_arrays(tmp_path, target):
    import tensorflow_datasets as tfds

    iq, dtce = samples()
    level = 20 * np.log10(np.abs(iq) / np.abs(iq).max()).astype(np.float32)
    level[0, 0] = -np.inf

    class Flat(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("2.0.0")

        def _info(self):
            array = tfds.features.Tensor(shape=(None,), dtype=np.float32)
            features = tfds.features.FeaturesDict(
                {
                    "das": {"dB": array},
                    "dtce": array,
                    "height": np.uint32,
                    "width": np.uint32,
                    "initial_radius": np.float32,
                }
            )
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for i, height in enumerate((12, 13)):
                yield (
                    i,
                    {
                        "das": {"dB": level.reshape(-1)},
                        "dtce": dtce.reshape(-1).astype(np.float32),
                        "height": height,
                        "width": 8,
                        "initial_radius": 230.5,
                    },
                )

    builder = Flat(data_dir=tmp_path, file_format="array_record")
    builder.download_and_prepare()
    options = {"source": "tfds", "path": str(builder.data_dir), "shape": (12, 8)}
    source = TfdsSource(make_config(**options, target=target), "train")
    heights = [source.details(i)["height"] for i in range(2)]
    expected = dtce if target == "dtce" else np.maximum(level, FLOOR_DB)
    np.testing.assert_allclose(source[heights.index(12)], expected, rtol=1e-6)
    assert source.details(0)["initial_radius"] == 230.5
    with pytest.raises(ValueError, match="96 samples, expected height x width = 13x8"):
        source[heights.index(13)]
    with pytest.raises(InputError, match=r"'image': .* has 'dtce' or 'bmode'"):
        open_source(make_config(**options), "train", seed=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filename": "../../x.mat"}, "'../../x.mat' is not inside the archive"),
        ({"filename": "/etc/x.mat"}, "'/etc/x.mat' is not inside the archive"),
        ({"filename": ""}, "is not inside the archive"),
        ({"axial_samples": 10**9}, "1000000000x8 samples"),
        ({"lateral_samples": "many"}, "could not convert"),
        ({"initial_radius": "nan"}, "initial_radius 'nan', expected a finite number"),
        ({"final_radius": 1}, "below final_radius"),
        ({"final_angle": -0.15}, "another one than final_angle"),
        ({"harm": "maybe"}, "'maybe'"),
        ({"timestamp_id": -1}, "up to 14 digits"),
    ],
)
def test_bad_rows(tmp_path, changes, message):
    write_split(
        tmp_path, "train", [row("a.mat", (12, 8)), row("b.mat", (12, 8), **changes)]
    )
    with pytest.raises(InputError) as error:
        run(tmp_path, tmp_path / "out")
    assert "train.csv, line 3: " in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"none of train.csv, validation.csv"),
        ("filename\na\n", "train.csv: no column axial_samples"),
        (",".join(row("a", (1, 1))) + "\n", "train.csv: no rows"),
    ],
)
def test_bad_tables(tmp_path, content, message):
    if content is not None:
        (tmp_path / "train.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        run(tmp_path, tmp_path / "out")


def test_file_listed_twice(tmp_path):
    write_split(tmp_path, "train", [row("a.mat", (12, 8))] * 2)
    with pytest.raises(InputError, match=r"line 3: 'a\.mat' is listed twice"):
        run(tmp_path, tmp_path / "out")


@pytest.mark.parametrize(("split", "leaks"), [("test", True), ("A", False)])
def test_frame_in_two_splits(tree, tmp_path, split, leaks):
    write_split(tree, split, [row("./sub/0.mat", (12, 8))])
    if not leaks:
        assert run(tree, tmp_path) == 0
        return
    with pytest.raises(
        InputError, match=r"'sub/0\.mat' is in two splits, train and te"
    ):
        run(tree, tmp_path)


@pytest.mark.parametrize(
    ("iq", "dtce", "target", "reason"),
    [
        (None, np.ones((8, 12)), "dtce", "has shape (8, 12), expected 12x8"),
        (None, np.full((12, 8), np.nan), "dtce", "NaN, infinite"),
        (None, np.ones((12, 8)) * 1j, "dtce", "is complex, expected real"),
        (np.zeros((12, 8)), None, "bmode", "is zero everywhere"),
        (None, np.full((12, 8), 1e300), "dtce", "infinite or beyond float32"),
    ],
)
def test_unfit_recordings_are_left_out(tmp_path, iq, dtce, target, reason):
    good_iq, good = samples()
    root = tmp_path / "in"
    write_mat(
        root / "phantom_data/bad.mat",
        good_iq if iq is None else iq,
        good if dtce is None else dtce,
    )
    write_mat(root / "phantom_data/good.mat", good_iq, good)
    names = ("bad.mat", "good.mat", "absent.mat")
    write_split(root, "train", [row(name, (12, 8)) for name in names])
    assert run(root, tmp_path, f"--target={target}") == 0
    assert len(open_prepared(tmp_path, target)[0]) == 1
    folder = tmp_path / "duke_ultrasound" / target / "3.0.0"
    with (folder / "skipped.csv").open(newline="") as file:
        skips = {r["item"]: r["detail"] for r in csv.DictReader(file)}
    assert skips.keys() == {"bad.mat", "absent.mat"}
    assert reason in skips["bad.mat"]
    assert "no such file" in skips["absent.mat"]


@pytest.mark.parametrize(
    ("target", "changes"),
    [
        ("dtce", {"height": b"12"}),
        ("dtce", {"width": np.array([8, 8], np.uint32)}),
        ("dtce", {"height": np.float32(12)}),
        ("dtce", {"dtce": np.array([b"a"] * 96)}),
        ("dtce", {"dtce": {"dB": np.zeros(96)}}),
        ("bmode", {"das": np.zeros(96, np.float32)}),
        ("bmode", {"das": {"other": np.zeros(96, np.float32)}}),
    ],
)
def test_flat_records_of_other_types_are_one_line(target, changes):
    """A folder that somebody made has the types that its own description says."""

    class Made(list):
        name = "made/train"

    record = {"das": {"dB": np.zeros(96, np.float32)}, "dtce": np.zeros(96, np.float32)}
    record |= {"height": np.uint32(12), "width": np.uint32(8)} | changes
    source = object.__new__(TfdsSource)
    source._flat, source._target, source._records = True, target, Made([record])
    with pytest.raises(InputError, match="made/train/000000: samples of type"):
        source[0]

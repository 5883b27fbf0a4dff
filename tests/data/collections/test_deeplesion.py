import csv
import math
import sys

import numpy as np
import pytest
from deeplesion_tree import pixels, row, write_slices, write_table
from etils import epath
from image_files import cut, make_config
from PIL import Image

from sisr_jax.data.prepare import main
from sisr_jax.data.records import Records, TfdsSource
from sisr_jax.errors import InputError
from sisr_jax.run.loop import train
from sisr_jax.run.prepare import prepare
from sisr_jax.run.report import report

A, B, C, D = "000001_01_01", "000002_01_01", "000003_01_02", "000004_01_01"
SECOND = {"Bounding_boxes": "-3, 10, 600, 20.5", "Coarse_lesion_type": 5}
ROWS = [
    row(A, 8, 1),
    row(A, 8, 1, **SECOND),
    row(A, 8, 1),  # once more
    row(A, 10, 1, Possibly_noisy=1, Bounding_boxes="1, 2, 3, 4"),
    row(B, 20, 1, **{"Spacing_mm_px_": "0.55, 0.55, 5"}),
    row(B, 5, 1, Image_size="1024, 1024"),
    row(C, 30, 2, Patient_gender="", Patient_age="NaN"),
    row(C, 90, 2),  # no such image
    row(D, 6, 3, **{"Spacing_mm_px_": " .75, .75, 1"}),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("deeplesion")
    write_table(root, ROWS)
    write_slices(root, A, range(5, 13))  # the range of slice 8 is 4 to 12
    write_slices(root, B, [20])
    write_slices(root, C, [*range(26, 30), 30, 32, 33])  # 31 is missing
    write_slices(root, D, [4, 6])
    return root


def run(tree, folder, *options):
    arguments = [f"--manual_dir={tree}", f"--data_dir={folder}", *options]
    return main(["deeplesion", *arguments])


def skipped(folder):
    with (folder / "skipped.csv").open(newline="") as file:
        return [tuple(r.values())[:2] for r in csv.DictReader(file)]


def test_abnormal_slices(tree, tmp_path, capsys):
    assert run(tree, tmp_path) == 0
    printed = capsys.readouterr()
    folder = tmp_path / "deeplesion/abnormal/1.0.0"
    assert f"config.data.path: {folder}" in printed.out
    assert "left out: 1 x possibly noisy" in printed.out
    assert printed.err == ""  # no progress bar on what is no terminal
    assert set(skipped(folder)) == {
        ("DL_info.csv, line 4", "duplicate row"),
        (f"{A}_010.png", "possibly noisy"),
        (f"{B}_020.png", "pixel spacing not above 0.6 mm"),
        (f"{B}_005.png", "image is not 512x512"),
        (f"{C}_090.png", "no such image"),
    }
    config = make_config(source="tfds", path=str(folder), shape=(512, 512))
    for split, series, index in (
        ("train", A, 8),
        ("validation", C, 30),
        ("test", D, 6),
    ):
        source = TfdsSource(config, split)
        assert len(source) == 1
        hu = pixels(series, index).astype(np.float64) - 32768
        np.testing.assert_array_equal(source[0], hu)
        assert source.details(0)["name"] == f"{series}_{index:03d}.png".encode()
    assert "tensorflow" not in sys.modules
    assert "cv2" not in sys.modules


def test_lesions_of_a_slice_are_merged_in_the_order_of_the_table(tree, tmp_path):
    run(tree, tmp_path)
    folder = str(tmp_path / "deeplesion/abnormal/1.0.0")
    lesions = Records(folder, "train")[0]
    # The second box reaches beyond the image and is cut there.
    np.testing.assert_allclose(
        lesions["boxes"], [[226.2, 90.2, 241.4, 111], [0, 10, 512, 20.5]], rtol=1e-6
    )
    assert lesions["lesion_types"].tolist() == [3, 5]
    assert lesions["windows"].tolist() == [[-175, 275]] * 2
    assert lesions["spacing"].tolist() == [0.75, 0.75, 5]
    assert lesions["measurements"].shape == (2, 8)
    assert (lesions["patient_index"], lesions["gender"], lesions["age"]) == (1, 0, 62)
    unknown = Records(folder, "validation")[0]
    assert (unknown["gender"], unknown["age"]) == (-1, -1)


def test_keep_noisy_is_another_data_set(tree, tmp_path):
    run(tree, tmp_path, "--keep_noisy")
    records = Records(str(tmp_path / "deeplesion/abnormal_noisy/1.0.0"), "train")
    assert [record["possibly_noisy"].tolist() for record in records] == [[0, 0], [1]]


def test_normal_slices_keep_away_from_every_annotation(tree, tmp_path):
    run(tree, tmp_path, "--config=normal")
    folder = str(tmp_path / "deeplesion/normal/1.0.0")
    # The long diameter, 10.4 px of 0.75 mm, reaches 2 slices of 5 mm to both sides;
    # around 8, and around 10, where the noisy annotation is: 6 to 12.
    train, validation = Records(folder, "train"), Records(folder, "validation")
    assert [record["name"] for record in train] == [b"000001_01_01_005.png"]
    assert len(validation) == 1  # of 26, 27 and 33: as many as abnormal ones
    index = int(validation[0]["name"][-7:-4])
    assert index in (26, 27, 33)
    np.testing.assert_array_equal(validation[0]["image"][..., 0], pixels(C, index))
    assert "boxes" not in validation[0]
    with pytest.raises(ValueError, match="no split 'test'"):  # all within 8 slices
        Records(folder, "test")


@pytest.mark.parametrize("encoding", ["png", "zlib", "raw"])
def test_volumes_are_whole_and_without_gaps(tree, tmp_path, encoding):
    run(tree, tmp_path, "--config=volume", f"--encoding={encoding}")
    name = "volume" if encoding == "png" else f"volume_{encoding}"
    folder = tmp_path / "deeplesion" / name / "1.0.0"
    for split, series, indices, key in (
        ("train", A, range(5, 13), 3),
        ("validation", C, range(26, 31), 4),
        ("test", D, [6], 0),
    ):
        record = Records(str(folder), split)[0]
        assert record["slices"].tolist() == list(indices)
        assert record["key_index"] == key
        expected = np.stack([pixels(series, i) for i in indices])[..., None]
        np.testing.assert_array_equal(record["images"], expected)
        assert len(record["boxes"]) == (2 if series == A else 1)
    shortened = (f"{C}_030.png", "volume shortened, slices missing")
    assert shortened in skipped(folder)
    config = make_config(source="tfds", path=str(folder))
    with pytest.raises(ValueError, match="holds volumes, expected one image"):
        TfdsSource(config, "train")


@pytest.mark.parametrize(
    ("thickness", "slices"), [(1, [8]), (3, [7, 8, 9]), (4, [7, 8, 9, 10])]
)
def test_thin_volumes(tree, tmp_path, thickness, slices):
    run(tree, tmp_path, "--config=volume", f"--thickness={thickness}")
    folder = str(tmp_path / f"deeplesion/volume_{thickness}/1.0.0")
    assert Records(folder, "train")[0]["slices"].tolist() == slices


def test_damaged_image_is_left_out_and_named(tmp_path):
    write_table(tmp_path, [row(A, i, 1) for i in (8, 9, 10, 11)])
    write_slices(tmp_path, A, [8, 9, 10])
    images = tmp_path / "Images_png" / A
    cut(images / "009.png")
    Image.new("L", (512, 512)).save(images / "010.png")
    (images / "011.png").mkdir()
    run(tmp_path, tmp_path / "out")
    folder = tmp_path / "out/deeplesion/abnormal/1.0.0"
    assert len(Records(str(folder), "train")) == 1
    text = (folder / "skipped.csv").read_text()
    assert f"{A}_009.png,damaged file," in text
    assert "truncated or damaged PNG" in text
    assert "011.png: [Errno 21] Is a directory" in text
    assert "010.png: uint8 of shape (512, 512), expected 16-bit" in text


def test_tfds_prepares_the_same_records(tree, tmp_path):
    import tensorflow_datasets as tfds

    from sisr_jax.data.collections.deeplesion import DeepLesion

    builder = DeepLesion(
        data_dir=tmp_path / "a", config="abnormal", file_format="array_record"
    )
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=str(tree))
    )
    run(tree, tmp_path / "b")
    ours = Records(str(tmp_path / "b/deeplesion/abnormal/1.0.0"), "train")
    theirs = Records(str(builder.data_dir), "train")
    assert len(ours) == len(theirs) == 1
    for name, value in theirs[0].items():
        np.testing.assert_array_equal(ours[0][name], value)


@pytest.mark.slow
def test_lesion_scores_from_the_originals_to_the_table(tmp_path, load_config):
    """The centre of the slices is scored; one lesion is outside of it."""
    inside, outside = "250, 250, 260, 262", "10, 10, 20, 20"
    rows = [row(A, 8, 1), row(C, 30, 2)]
    rows += [row(D, i, 3, Bounding_boxes=b) for i, b in ((6, inside), (7, outside))]
    write_table(tmp_path, rows)
    for series, indices in ((A, [8]), (C, [30]), (D, [6, 7])):
        write_slices(tmp_path, series, indices)
    run(tmp_path, tmp_path)
    path = str(tmp_path / "deeplesion/abnormal/1.0.0")
    names = [record["name"].decode() for record in Records(path, "test")]
    config = load_config(
        "ct_srresnet",
        data__source="tfds",
        data__path=path,
        data__fit="crop",
        data__window=(0.0, 300.0),
        phases__generator=1,
    )
    workdir = epath.Path(tmp_path / "run")
    train(prepare(config, workdir))
    report(config, workdir)
    folder = workdir / "evaluation" / "step_1"
    with (folder / "per_image.csv").open() as file:
        scores = list(csv.DictReader(file))
    assert {"SRResNet", "Sparse FBP"} < {score["method"] for score in scores}
    assert {score["patient"] for score in scores} == {"1"}
    numbers = ("psnr_lesions", "ssim_lesions", "rmse_lesions")
    for score in scores:
        has_lesion = score["image"].endswith(f"{names.index(f'{D}_006.png'):06d}")
        found = [math.isfinite(float(score[number])) for number in numbers]
        assert found == [has_lesion] * 3
        if has_lesion:
            assert score["rmse_lesions"] != score["rmse"]
    table = (folder / "table.md").read_text()
    with (folder / "table.csv").open() as file:
        for summary in csv.DictReader(file):
            [score] = [
                float(s["psnr_lesions"])
                for s in scores
                if s["method"] == summary["method"] and s["psnr_lesions"] != "nan"
            ]
            assert float(summary["psnr_lesions"]) == score
            assert f"{score:.2f}" in table


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--thickness=3",), "thickness = 3: expected 0"),
        (("--config=volume", "--thickness=-1"), "thickness = -1"),
    ],
)
def test_bad_options(tree, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        run(tree, tmp_path, *options)


@pytest.mark.parametrize(
    ("remove", "message"),
    [("all", "no such folder"), ("Images_png", "Images_png: no such folder")],
)
def test_missing_folders(tmp_path, remove, message):
    root = tmp_path / "in"
    if remove == "Images_png":
        write_table(root, ROWS)
    with pytest.raises(InputError, match=message):
        run(root, tmp_path / "out")

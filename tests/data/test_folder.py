import os

import numpy as np
import pytest
from absl import logging
from image_files import cut, make_config, ramp, write_dicom, write_png
from PIL import Image

from sisr_jax.data.folder import open_folder


def folder_config(path, **changes):
    return make_config(source="folder", path=str(path), **changes)


def write_split_csv(folder, splits):
    lines = [f"{name},{split}" for name, split in splits.items()]
    (folder / "splits.csv").write_text("\n".join(["file,split", *lines, ""]))
    return str(folder / "splits.csv")


def test_formats_are_mixed_in_sorted_order(tmp_path):
    write_png(tmp_path / "b/2.png", ramp())
    write_dicom(tmp_path / "b/10", ramp())
    np.savez(tmp_path / "a.npz", image=ramp() - 32000.0)
    write_png(tmp_path / ".hidden.png", ramp((2, 2)))
    (tmp_path / "README.md").write_text("no image")
    names = ["a.npz", "b/10", "b/2.png"]
    csv = write_split_csv(tmp_path, dict.fromkeys(reversed(names), "train"))
    source = open_folder(folder_config(tmp_path, splits_csv=csv), "train")
    assert [source.name(i) for i in range(len(source))] == names
    np.testing.assert_array_equal(source[0], ramp() - 32000)
    np.testing.assert_array_equal(source[1], ramp() * 2.0 - 1024)
    np.testing.assert_array_equal(source[2], ramp() - 32768.0)


def test_without_a_csv_the_splits_cover_every_file_once(tmp_path):
    for i in range(60):
        write_png(tmp_path / f"P{i:02d}__0.png", ramp((16, 16), start=i))
    np.savez(tmp_path / "P00__1.npz", image=ramp())
    names = []
    for split in ("train", "validation", "test"):
        source = open_folder(folder_config(tmp_path), split)
        names += [source.name(i) for i in range(len(source))]
    assert len(names) == len(set(names)) == 61


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such folder"),
        ("empty", r"no \.png, .* or DICOM file"),
        ("text", r"no \.png, .* or DICOM file"),
        ("one patient", r"no image in split 'test' \(train 1, .* 0, test 0\); too few"),
    ],
)
def test_folder_without_images(tmp_path, kind, message):
    path = tmp_path / "data"
    if kind != "missing":
        path.mkdir()
    if kind == "text":
        (path / "readme.txt").write_text("hello")
    if kind == "one patient":
        write_png(path / "P1__1.png", ramp())
    with pytest.raises(ValueError, match=message) as error:
        open_folder(folder_config(path), "test")
    assert str(path) in str(error.value)


def test_csv_without_the_split_or_without_the_folder(tmp_path):
    write_png(tmp_path / "ct/a.png", ramp())
    (tmp_path / "us").mkdir()
    csv = write_split_csv(tmp_path, {"ct/a.png": "train"})
    with pytest.raises(ValueError, match=r"'test'.*check the split"):
        open_folder(folder_config(tmp_path / "ct", splits_csv=csv), "test")
    with pytest.raises(ValueError, match="no row is a file in"):
        open_folder(folder_config(tmp_path / "us", splits_csv=csv), "train")


def test_listed_file_of_a_foreign_format(tmp_path):
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    csv = write_split_csv(tmp_path, {"a.gif": "train"})
    with pytest.raises(ValueError, match=r"a\.gif: expected a \.png"):
        open_folder(folder_config(tmp_path, splits_csv=csv), "train")


@pytest.mark.parametrize(
    ("sizes", "fit", "message"),
    [
        ([(16, 16), (16, 20)], "exact", r"a\.png is 16x16, .*b\.png is 16x20"),
        ([(20, 20), (20, 20)], "exact", r"a\.png is 20x20, expected 16x16"),
        ([(20, 20), (15, 40)], "crop", r"b\.png is 15x40, expected at least 16x16"),
    ],
)
def test_sizes_that_do_not_fit(tmp_path, sizes, fit, message):
    for name, size in zip("ab", sizes, strict=True):
        write_png(tmp_path / f"{name}.png", ramp(size))
    csv = write_split_csv(tmp_path, {"a.png": "train", "b.png": "train"})
    with pytest.raises(ValueError, match=message) as error:
        open_folder(folder_config(tmp_path, splits_csv=csv, fit=fit), "train")
    assert "\n" not in str(error.value)


def test_damage_is_found_when_the_folder_is_opened(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        write_png(tmp_path / f"{i}.png", rng.integers(0, 255, (16, 16), np.uint8))
    cut(tmp_path / "2.png")
    csv = write_split_csv(tmp_path, {f"{i}.png": "train" for i in range(3)})
    with pytest.raises(ValueError, match=r"2\.png: truncated"):
        open_folder(folder_config(tmp_path, splits_csv=csv), "train")


def test_a_file_of_many_images_is_many_entries(tmp_path):
    pages = [Image.fromarray(ramp(start=1000 * i)) for i in range(3)]
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:])
    write_png(tmp_path / "a.png", ramp())
    csv = write_split_csv(tmp_path, {"a.png": "train", "b.tif": "train"})
    source = open_folder(folder_config(tmp_path, splits_csv=csv), "train")
    names = [source.name(i) for i in range(len(source))]
    assert names == ["a.png", "b.tif#0000", "b.tif#0001", "b.tif#0002"]
    for i in range(3):
        np.testing.assert_array_equal(source[1 + i], ramp(start=1000 * i) - 32768.0)


def test_volume_stays_in_one_split(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    for i in range(30):
        volume = np.full((16, 16, 4), i, np.int16)
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / f"P{i}.nii.gz")
    sizes = [
        len(open_folder(folder_config(tmp_path), split))
        for split in ("train", "validation", "test")
    ]
    assert sum(sizes) == 30 * 4
    assert all(size and size % 4 == 0 for size in sizes)
    source = open_folder(folder_config(tmp_path), "train")
    assert source.name(1).endswith(".nii.gz#0001")
    assert source[1].shape == (16, 16)


def write_slice(path, position, *, normal="z", series="1.2.3"):
    axes = {"z": ([1, 0, 0, 0, 1, 0], 2), "x": ([0, 1, 0, 0, 0, 1], 0)}
    orientation, axis = axes[normal]
    place = [0.5, 0.5, 0.5]
    place[axis] = position
    return write_dicom(
        path,
        ramp(),
        SeriesInstanceUID=series,
        ImagePositionPatient=place,
        ImageOrientationPatient=orientation,
        PatientID="",
    )


def test_series_is_sorted_along_its_normal(tmp_path):
    for i, position in enumerate([7.5, -20, 110]):
        write_slice(tmp_path / f"P/{i}", position)
    write_slice(tmp_path / "P/1_localiser", -3, normal="x")
    write_slice(tmp_path / "P/0_other", 1, series="9.9")
    write_png(tmp_path / "P/0_a.png", ramp())
    csv = write_split_csv(
        tmp_path,
        {
            f"P/{n}": "test"
            for n in ["0", "1", "2", "1_localiser", "0_other", "0_a.png"]
        },
    )
    source = open_folder(folder_config(tmp_path, splits_csv=csv), "test")
    names = [source.name(i).removeprefix("P/") for i in range(len(source))]
    assert names == ["1", "0", "2", "0_a.png", "0_other", "1_localiser"]


def test_file_with_two_names_is_one_image(tmp_path):
    for i in range(9):
        write_png(tmp_path / f"P{i}__0.png", ramp(start=i))
        (tmp_path / f"Q{i}__0.png").symlink_to(tmp_path / f"P{i}__0.png")
    names = []
    for split in ("train", "validation", "test"):
        try:
            source = open_folder(folder_config(tmp_path), split)
        except ValueError:  # too few patients for this split
            continue
        names += [source.name(i) for i in range(len(source))]
    assert sorted(names) == [f"P{i}__0.png" for i in range(9)]


def test_listed_file_with_two_names(tmp_path):
    write_png(tmp_path / "a.png", ramp())
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    csv = write_split_csv(tmp_path, {"a.png": "train", "b.png": "train"})
    assert len(open_folder(folder_config(tmp_path, splits_csv=csv), "train")) == 1
    csv = write_split_csv(tmp_path, {"a.png": "train", "b.png": "test"})
    with pytest.raises(ValueError, match=r"link is in two splits: a\.png in train"):
        open_folder(folder_config(tmp_path, splits_csv=csv), "train")


def test_localizers_are_no_slices(tmp_path):
    for i, kind in enumerate(["AXIAL", "LOCALIZER", "AXIAL"]):
        elements = {"Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", kind]}
        write_dicom(tmp_path / f"{i}.dcm", ramp((16, 16 + 4 * (i == 1))), **elements)
    csv = write_split_csv(tmp_path, {f"{i}.dcm": "train" for i in range(3)})
    source = open_folder(folder_config(tmp_path, splits_csv=csv), "train")
    assert [source.name(i) for i in range(2)] == ["0.dcm", "2.dcm"]
    assert len(source) == 2
    csv = write_split_csv(tmp_path, {"1.dcm": "train"})
    with pytest.raises(ValueError, match=r"no image in split 'train' \(train 1,"):
        open_folder(folder_config(tmp_path, splits_csv=csv), "train")


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_cannot_be_read_is_not_left_out_in_silence(tmp_path, monkeypatch, kind):
    write_png(tmp_path / "P1__0.png", ramp())
    if kind == "link":
        (tmp_path / "notes.txt").symlink_to("none")
        assert len(open_folder(folder_config(tmp_path), "train")) == 1
        (tmp_path / "P2__0.png").symlink_to("none")
        message = r"P2__0\.png: a link that leads nowhere"
    else:
        (tmp_path / "P2").mkdir()
        scandir = os.scandir

        def refuse(path):  # permissions do not bind the administrator
            if str(path).endswith("P2"):
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        message = r"P2: folder cannot be read \(Permission denied\)"
    with pytest.raises(ValueError, match=message):
        open_folder(folder_config(tmp_path), "train")


def test_pixels_that_are_not_square_are_warned_of(tmp_path, monkeypatch):
    for name, spacing in (("1", [1, 2]), ("2", [1, 1])):
        elements = {"PatientID": name, "PixelSpacing": spacing}
        write_dicom(tmp_path / f"{name}.dcm", ramp((16, 16)), **elements)
    csv = write_split_csv(tmp_path, {"1.dcm": "train", "2.dcm": "test"})
    warned = []
    monkeypatch.setattr(logging, "warning", lambda *parts: warned.append(parts))
    config = folder_config(tmp_path, splits_csv=csv)
    open_folder(config, "test")
    assert not warned
    open_folder(config, "train")
    [(_, path, remark)] = warned
    assert path == str(tmp_path)
    assert "1 of 1 files have pixels that are not square" in remark

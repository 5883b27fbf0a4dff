"""What an inspection remarks upon."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from image_files import ramp, write_dicom, write_png
from PIL import Image

from sisr_jax.data.__main__ import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "data"
    for i in range(3):
        write_png(root / f"P{i}__0.png", ramp((64, 32)))
    write_dicom(root / "scan/1.dcm", ramp(dtype=np.int16, start=0))
    pages = [
        Image.fromarray(ramp((16, 16), np.float32, 32000 - 100 * i)) for i in (0, 1)
    ]
    pages[0].save(root / "P1__1.tif", save_all=True, append_images=pages[1:])
    return root


def lines_of(capsys):
    printed = capsys.readouterr()
    assert printed.err == ""
    return [" ".join(line.split()) for line in printed.out.splitlines()]


def lines_for(capsys, *arguments, code=0):
    assert main(["inspect", *map(str, arguments)]) == code
    return lines_of(capsys)


def ct(path, values=None, **elements):
    values = ramp(dtype=np.int16, start=0) if values is None else values
    elements = {"Modality": "CT", "PatientID": "P1"} | elements
    return write_dicom(path, values, **elements)


def test_padding_is_counted(tmp_path, capsys):
    values = ramp((10, 10), np.int16, start=400)
    values[0] = -800  # HU -2624
    ct(tmp_path / "a.dcm", values)
    ct(tmp_path / "b.dcm", ramp((10, 10), np.int16, start=500))
    lines = lines_for(capsys, tmp_path)
    start = "padding: 10.0% of the pixels of 1 files were never measured"
    assert any(line.startswith(start) for line in lines)
    assert "DICOM int16 2 2 -1024 to 174 10x10 (2)" in lines


def test_outside_of_the_circle_in_other_formats(tmp_path, capsys):
    values = ramp((10, 10), np.int16, start=-1000)
    values[:2] = -3024
    np.save(tmp_path / "a.npy", values)
    lines = lines_for(capsys, tmp_path)
    start = "outside: 20.0% of the pixels of 1 files are at -1500 or below"
    assert any(line.startswith(start) for line in lines)


def test_what_is_no_slice_is_left_out_and_named(tmp_path, capsys):
    ct(tmp_path / "a.dcm")
    ct(tmp_path / "b.dcm", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (tmp_path / "c.dcm").symlink_to(tmp_path / "a.dcm")
    lines = lines_for(capsys, tmp_path)
    assert "DICOM int16 1 1 -1024 to -514 16x16 (1)" in lines
    start = lines.index("left out: 2 files")
    assert lines[start + 1 : start + 3] == [
        f"{tmp_path}/b.dcm: localizer",
        f"{tmp_path}/c.dcm: another name of {tmp_path}/a.dcm",
    ]


def test_images_without_content_are_counted(tmp_path, capsys):
    write_png(tmp_path / "P1__0.png", np.full((8, 8), 7, np.uint16))
    write_png(tmp_path / "P1__1.png", ramp((8, 8), start=100))
    lines = lines_for(capsys, tmp_path)
    assert any(line.startswith("constant: 1 of 2 images have no") for line in lines)
    window = ["--window=-32768,-32568", "--png_rescale=1,-32768"]
    lines = lines_for(capsys, tmp_path, *window)
    assert "window -32768 to -32568: clips 0%" in lines
    assert any(line.startswith("1 of 2 images are constant after") for line in lines)
    assert "* as stored, after config.data.png_rescale" in lines
    # Training would not begin with that, for which there is a line of its own.
    assert main(["inspect", str(tmp_path), "--window=500,600"]) == 2
    printed = capsys.readouterr()
    assert "2 of 2 images are constant after" in printed.out
    assert "all of 2 images are constant after config.data.window" in printed.err


def test_a_window_that_training_would_refuse(tmp_path, capsys):
    write_png(tmp_path / "P1__0.png", ramp((64, 64)))
    lines_for(capsys, tmp_path, "--window=0,40000")
    assert main(["inspect", str(tmp_path), "--window=-100,32020"]) == 2
    printed = capsys.readouterr()
    assert printed.out.startswith("format")
    assert "config.data.window = (-100.0, 32020.0): clips 84%" in printed.err


@pytest.mark.parametrize("identifier", ["ANONYMOUS", "anonymous ", "", "0000", "Anon."])
def test_placeholders_are_no_patients(tmp_path, capsys, identifier):
    for i in range(4):
        path = tmp_path / f"case{i % 2}/{i}.dcm"
        ct(path, ramp(dtype=np.int16, start=i), PatientID=identifier)
    lines = lines_for(capsys, tmp_path)
    assert any(line.startswith("patients: 4 DICOM files have no") for line in lines)
    splits = [line.split() for line in lines if line.startswith(("tr", "va", "te"))]
    assert sum(int(row[1]) for row in splits) == 2  # folders


def test_one_identifier_in_many_folders_is_remarked(tmp_path, capsys):
    for i in range(3):
        ct(tmp_path / f"case{i}/1.dcm", ramp(dtype=np.int16, start=i))
    lines = lines_for(capsys, tmp_path)
    assert any("one PatientID is found in 3 folders" in line for line in lines)
    assert not any("P1" in line for line in lines)


def test_copies_in_another_split_are_named(tmp_path, capsys):
    for name in ("a", "b", "c"):
        write_png(tmp_path / f"{name}.png", ramp((8, 8)))
    csv_file = tmp_path / "splits.csv"
    csv_file.write_text("file,split\na.png,train\nb.png,test\nc.png,train\n")
    lines = lines_for(capsys, tmp_path, "--splits_csv", csv_file)
    start = lines.index(
        "copies: 2 images are there a second time, 1 of them in another split"
    )
    assert lines[start + 1] == "a.png, b.png: train and test"
    assert lines[start + 2] == "a.png, c.png: train"


def test_jpeg_is_remarked(tmp_path, capsys):
    Image.fromarray(ramp(dtype=np.uint8)).save(tmp_path / "a.jpg")
    lines = lines_for(capsys, tmp_path)
    assert any(line.startswith("JPEG: 1 files, whose losses") for line in lines)


def test_pixels_that_are_not_square_are_remarked(tmp_path, capsys):
    ct(tmp_path / "1.dcm", PixelSpacing=[1, 2])
    ct(tmp_path / "2.dcm", PixelSpacing=[0.7, 0.7])
    (tmp_path / "frames").mkdir()
    ct(tmp_path / "frames/3.dcm", PixelSpacing=[1, 2], Modality="US")
    [line] = [each for each in lines_for(capsys, tmp_path) if "square" in each]
    assert line.startswith("spacing: 1 of 3 files have pixels that are not square")
    assert "1.dcm, 1 x 2 mm" in line


def test_folder_that_cannot_be_read_decides_the_exit_code(folder, capsys, monkeypatch):
    scandir = os.scandir

    def refuse(path):  # permissions do not bind the administrator
        if str(path).endswith("scan"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    lines = lines_for(capsys, folder, code=2)
    assert "folders that cannot be read: 1" in lines
    assert f"{folder}/scan: folder cannot be read (Permission denied)" in lines
    assert "PNG uint16 3 3 32000 to 34047 * 64x32 (3)" in lines


def test_names_that_no_terminal_prints(tmp_path, capsys):
    write_png(tmp_path / "é.png", ramp((8, 8)))
    for name in (b"\xff.png", b"two\nlines.png"):
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_bytes(b"x")
    (tmp_path / "long.png").symlink_to("x" * 300)
    lines = lines_for(capsys, tmp_path)
    start = lines.index("not usable: 3 files")
    assert len(lines[start + 1 :]) == 3


def test_ascii_terminal(tmp_path):
    write_png(tmp_path / "é.png", np.full((8, 8), 9, np.uint8))
    (tmp_path / "é.txt").write_text("no image")
    finished = subprocess.run(
        [sys.executable, "-m", "sisr_jax.data", "inspect", tmp_path],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)},
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "\\xe9.txt" in finished.stdout


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("b.png,train", r"'b\.png': no such file in .*mean 'data/b\.png'"),
        ("other/b.png,train", "no row is a file in"),
    ],
)
def test_manifest_one_folder_up(tmp_path, capsys, row, message):
    write_png(tmp_path / "data/b.png", ramp((8, 8)))
    write_png(tmp_path / "other/b.png", ramp((8, 8)))
    csv_file = tmp_path / "splits.csv"
    csv_file.write_text(f"file,split\n{row}\n")
    arguments = ["inspect", str(tmp_path / "data"), "--splits_csv", str(csv_file)]
    assert main(arguments) == 2
    assert re.search(message, capsys.readouterr().err)


def test_file_that_the_manifest_lists_under_a_link(tmp_path, capsys):
    write_png(tmp_path / "a.png", ramp((8, 8)))
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    csv_file = tmp_path / "splits.csv"
    csv_file.write_text("file,split\nb.png,test\n")
    assert "test unknown 1 1" in lines_for(capsys, tmp_path, "--splits_csv", csv_file)
    csv_file.write_text("file,split\nb.png,test\na.png,train\n")
    arguments = ["inspect", str(tmp_path), "--splits_csv", str(csv_file)]
    assert main(arguments) == 2
    message = "one file under a link is in two splits: b.png in test, a.png in train"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("window", ["5,5", "9,1"])
def test_empty_window(folder, capsys, window):
    assert main(["inspect", str(folder), f"--window={window}"]) == 2
    assert "expected LOW,HIGH with LOW below HIGH" in capsys.readouterr().err


def test_splits_that_training_would_refuse(tmp_path, capsys):
    for i in range(40):  # some pair of spellings is hashed into two splits
        write_png(tmp_path / f"P{i}__0.png", ramp((8, 8), start=i))
        write_png(tmp_path / f"p{i}__1.png", ramp((8, 8), start=100 + i))
    lines = lines_for(capsys, tmp_path, code=2)
    assert any(line.startswith("splits: patient 'p") for line in lines)

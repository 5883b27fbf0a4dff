import errno
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from etils import epath
from image_files import cut, ramp, write_dicom, write_png
from PIL import Image

from sisr_jax.data import inspect
from sisr_jax.data.__main__ import main
from sisr_jax.data.contact_sheet import shrink

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


def test_table_of_formats_and_splits(folder, capsys):
    assert main(["inspect", str(folder)]) == 0
    lines = lines_of(capsys)
    assert "PNG uint16 3 3 32000 to 34047 * 64x32 (3)" in lines
    assert "DICOM int16 1 1 -1024 to -514 16x16 (1)" in lines
    assert "TIFF float32 1 2 31900 to 32255 16x16 (2)" in lines
    assert "* as stored, before config.data.png_rescale" in lines
    splits = [line.split() for line in lines if line.startswith(("tr", "va", "te"))]
    assert [sum(int(row[i]) for row in splits) for i in (1, 2, 3)] == [4, 5, 6]
    assert not any("not usable" in line for line in lines)


def test_splits_of_a_csv(folder, capsys):
    rows = ["P0__0.png,train,a", "P1__0.png,train,a", "P2__0.png,val,b"]
    csv_file = folder / "splits.csv"
    csv_file.write_text("\n".join(["file,split,patient", *rows]))
    assert main(["inspect", str(folder), "--splits_csv", str(csv_file)]) == 0
    lines = lines_of(capsys)
    assert "train 1 2 2" in lines
    assert "validation 1 1 1" in lines
    assert "test 0 0 0" in lines
    assert "not listed unknown 2 3" in lines
    assert not any("splits.csv" in line for line in lines)


def test_every_unfit_file_has_its_line(folder, capsys):
    (folder / "notes.txt").write_text("hello")
    (folder / "empty.png").touch()
    cut(write_dicom(folder / "cut.dcm", ramp((64, 64))), 0.3)
    write_png(
        folder / "bad.png", np.random.default_rng(0).integers(0, 9, (64, 64), "u1")
    )
    data = bytearray((folder / "bad.png").read_bytes())
    data[100:140] = bytes(40)  # found only when it is decoded
    (folder / "bad.png").write_bytes(data)
    assert main(["inspect", str(folder)]) == 0
    lines = lines_of(capsys)
    start = lines.index("not usable: 4 files")
    names = [Path(line.split(":")[0]).name for line in lines[start + 1 :]]
    assert names == ["bad.png", "cut.dcm", "empty.png", "notes.txt"]
    assert "PNG uint16 3 3 32000 to 34047 * 64x32 (3)" in lines


def test_contact_sheet(folder, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert main(["inspect", str(folder), "--output", str(sheet)]) == 0
    assert lines_of(capsys)[-1] == f"6 examples: {sheet}"
    with Image.open(sheet) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (3 * 16 + 160 + 16, 6 * 160)
    assert len(np.unique(pixels)) > 100
    sheet.write_bytes(b"old")
    assert main(["inspect", str(folder), "--output", str(sheet), "--overwrite"]) == 0
    assert sheet.read_bytes() != b"old"


@pytest.mark.parametrize(
    ("sheet", "code", "message"),
    [
        ("/proc/sheet.png", 2, "/proc/sheet.png: writing failed: "),
        (f"{'n' * 300}.png", 2, "File name too long"),
        ("circle/../sheet.png", 2, "in a folder that exists"),
    ],
)
def test_a_sheet_that_cannot_be_written_costs_no_table(
    folder, tmp_path, monkeypatch, capsys, sheet, code, message
):
    monkeypatch.chdir(tmp_path)
    Path("circle").symlink_to("circle")
    assert main(["inspect", str(folder), "--output", sheet]) == code
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out.startswith("format") == ("folder that" not in message)


def test_a_full_disk_keeps_the_old_sheet(folder, tmp_path, monkeypatch, capsys):
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"old")

    def fill(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(epath.Path(sheet)), "write_bytes", fill)
    command = ["inspect", str(folder), "--output", str(sheet)]
    assert main(command) == 2
    assert "is there; --overwrite replaces it" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 74
    printed = capsys.readouterr()
    assert printed.out.startswith("format")
    assert printed.err.endswith("sheet.png: writing failed: No space left on device\n")
    assert sheet.read_bytes() == b"old"


def test_examples_are_averaged_down():
    image = np.arange(640 * 320, dtype=np.float32).reshape(640, 320)
    small = shrink(image)
    assert small.shape == (160, 80)
    np.testing.assert_allclose(small[0, 0], image[:4, :4].mean())
    assert shrink(image[:9, :7]).shape == (9, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "{folder}/none"], "none: no such folder"),
        (["inspect", "{folder}", "--splits_csv", "no.csv"], "no such file"),
        (["inspect", "{folder}", "--output", "{folder}/a.png"], "would count as data"),
        (["inspect", "{folder}", "--output", "a.jpg"], r"expected a \.png"),
        (["inspect", "{folder}", "--output", "none/a.png"], "in a folder that exists"),
        (["inspect", "{folder}", "--output", "{folder}/../is.png"], "expected a .png"),
        (["inspect", "{folder}", "--png_rescale=0,0"], "expected a slope, not 0"),
        (["inspect", "n" * 300], "no such folder"),
        (["inspect", ""], "argument FOLDER: empty, expected a file or folder"),
        (["inspect", "{folder}", "--window=nan,1"], "expected two finite numbers"),
        (["nothing"], "invalid choice: 'nothing'"),
        ([], "required: COMMAND"),
        (["inspect", "{folder}", "--splits_csv", "n" * 300], "no such file"),
    ],
)
def test_bad_arguments_are_one_line(folder, capsys, arguments, message):
    (folder.parent / "is.png").mkdir()
    before = sorted(folder.rglob("*"))
    assert main([a.format(folder=folder) for a in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("sisr_jax.data: error: ")
    assert printed.err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before
    assert re.search(message, printed.err)


@pytest.mark.parametrize("content", ["nothing", "no image"])
def test_nothing_usable(tmp_path, capsys, content):
    if content == "no image":
        (tmp_path / "a.png").write_bytes(b"no")
    assert main(["inspect", str(tmp_path)]) == 2
    lines = lines_of(capsys)
    expected = {"nothing": "no file in this folder", "no image": "not usable: 1 files"}
    assert lines[0] == expected[content]


def test_prepare_goes_to_its_own_parser(monkeypatch):
    seen = []
    monkeypatch.setattr("sisr_jax.data.prepare.main", lambda a: seen.append(a) or 7)
    assert main(["prepare", "deeplesion", "--help"]) == 7
    assert seen == [["deeplesion", "--help"]]


def test_runs_as_a_module(folder):
    finished = subprocess.run(
        [sys.executable, "-m", "sisr_jax.data", "inspect", folder],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert finished.returncode == 0
    assert finished.stderr == ""
    assert "format" in finished.stdout


def test_a_folder_of_small_files_that_unpack_to_much_is_refused(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("sisr_jax.data.inspect._MOST_UNPACKED", 2**23)
    noise = np.random.default_rng(0).integers(0, 2**16, (1024, 1024), np.uint16)
    for number in range(3):
        write_png(tmp_path / f"noise{number}.png", noise)
    for number in range(2):  # of 4 MiB each in memory
        write_png(tmp_path / f"blank{number}.png", np.zeros_like(noise))
    assert main(["inspect", str(tmp_path)]) == 0
    write_png(tmp_path / "blank2.png", np.zeros_like(noise))
    capsys.readouterr()
    monkeypatch.setattr("sisr_jax.data.inspect._decode", None)  # nor is it tried
    assert main(["inspect", str(tmp_path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "blank2.png and others before it unpack to more than 500 times" in line


@pytest.mark.parametrize("where", ["check_file", "_decode"])
def test_a_file_that_vanishes_meanwhile_has_its_line(
    folder, monkeypatch, capsys, where
):
    lost = folder / "P1__0.png"
    csv_file = folder.parent / "splits.csv"
    csv_file.write_text("file,split\ndata/P0__0.png,train\n")
    real = getattr(inspect, where)

    def losing(path, *others):
        found = real(path, *others)
        lost.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(inspect, where, losing)
    main(["inspect", str(folder), "--splits_csv", str(csv_file)])
    lines = lines_of(capsys)
    assert "not usable: 1 files" in lines
    assert f"{lost}: cannot be opened (No such file or directory)" in lines

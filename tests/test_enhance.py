"""The command that restores files, with a network that returns what it gets."""

import csv
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import flax.linen as nn
import numpy as np
import pydicom
import pytest
from image_files import write_dicom, write_png
from PIL import Image

from sisr_jax import enhance
from sisr_jax.data.csv_rows import MAX_ROWS
from sisr_jax.data.formats.readers import read_images
from sisr_jax.data.formats.tiff import write_tiff
from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.data.phantoms.ultrasound import ultrasound_phantom
from sisr_jax.enhancement import jobs, progress_table, restoring
from sisr_jax.enhancement.places import report_of
from sisr_jax.enhancement.request import Request
from sisr_jax.inference import Restorer, load
from sisr_jax.inference.slices import Outcome
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from sisr_jax.tomography.noise import attenuation_from_hu

HU = (1.0, -32768.0)
HEAD = "file,image,residual,psnr,ssim,psnr_fbp,ssim_fbp,source"


class Identity(nn.Module):
    """Back-projection, as it is."""

    @nn.compact
    def __call__(self, estimate, measurement, operator, *, train):
        del measurement, operator, train
        return estimate


@pytest.fixture(autouse=True)
def restorer(monkeypatch, load_config):
    changes = {"degradation__num_angles": 1000, "generator__widths": (2, 2, 2, 2)}
    config = load_config("ct_cascade", **changes)
    card = {"name": "sparse-view-ct", "views": [8, 250], "sha256": "0" * 64}
    found = Restorer(Identity(), {}, card, config)
    monkeypatch.setattr(enhance, "load", lambda name: found)
    return found


def phantom(index, size=32):
    return np.clip(ct_phantom(0, index, size), -1000, 1000)


def write_slices(folder, images):
    """A DICOM series."""
    for index, image in enumerate(images):
        write_dicom(
            folder / f"{index}.dcm",
            np.round(image).astype(np.int16),
            RescaleSlope=1,
            RescaleIntercept=0,
            Modality="CT",
            StudyInstanceUID="1.2.3",
            SeriesInstanceUID="1.2.3.4",
            PixelSpacing=[0.7, 0.7],
            ImagePositionPatient=[0, 0, 2 * index],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )


def run(*arguments):
    return enhance.main([str(each) for each in arguments])


def numbers(folder):
    with (folder / "enhance.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read(path):
    [image] = read_images(path, [0], HU)
    return image


@pytest.fixture
def folder(tmp_path):
    """Two PNGs, a DICOM series of two, one damaged file, one text."""
    source = tmp_path / "in"
    for index in range(2):
        stored = (phantom(index) + 32768).astype(np.uint16)
        write_png(source / f"p{index}.png", stored)
    write_slices(source / "series", [phantom(index) for index in (2, 3)])
    (source / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (source / "notes.txt").write_text("none")
    return source


def test_a_folder_is_restored_and_what_fails_is_named(folder, tmp_path, capsys):
    target = tmp_path / "out"
    assert run(folder, target, "--simulate=16") == 1
    error, text = capsys.readouterr().err, capsys.readouterr().out
    assert f"{folder / 'bad.png'}: " in error
    assert "notes" not in error + text
    rows = numbers(target)
    assert [row["file"] for row in rows] == [
        *("p0.png", "p1.png", "series/0.dcm", "series/1.dcm")
    ]
    beam = ParallelBeam(32, 1000).every(16)
    operator = ParallelBeamCT(beam)
    for index, row in enumerate(rows):
        truth = (phantom(index) + 1000) / 2000
        expected = np.clip(operator.fbp(operator(truth.astype(np.float32))), 0, 1)
        found = (read(target / row["file"]) + 1000) / 2000
        np.testing.assert_allclose(found, expected, atol=1e-3)  # rounded to 1 HU
        psnr = -10 * np.log10(np.mean((expected - truth) ** 2))
        assert float(row["psnr"]) == pytest.approx(psnr, abs=0.05)
        assert 0 < float(row["residual"]) < 0.2
    derived = pydicom.dcmread(target / "series" / "0.dcm")
    assert derived.SeriesDescription.endswith("sisr_jax sparse-view-ct x16")


def test_the_same_command_goes_on(folder, tmp_path, monkeypatch, capsys):
    target = tmp_path / "out"
    run(folder, target, "--simulate=16")
    kept = (target / "p1.png").read_bytes()
    (target / "p0.png").unlink()
    restored = []

    def spy(*arguments, **options):
        restored.append(1)
        return original(*arguments, **options)

    original = jobs.simulate
    monkeypatch.setattr(jobs, "simulate", spy)
    assert run(folder, target, "--simulate=16") == 1
    assert len(restored) == 1
    assert (target / "p0.png").exists()
    assert (target / "p1.png").read_bytes() == kept
    assert sorted(row["file"] for row in numbers(target))[:2] == ["p0.png", "p1.png"]
    capsys.readouterr()
    # Another command is refused, and leaves everything.
    assert run(folder, target, "--simulate=8") == 2
    assert "made by another command" in capsys.readouterr().err
    assert (target / "p1.png").read_bytes() == kept
    assert run(folder, target, "--simulate=8", "--overwrite") == 1
    assert (target / "p1.png").read_bytes() != kept
    assert json.loads((target / "enhance.json").read_text())["simulate"] == 8


def test_any_size_stands_in_a_square_of_air(tmp_path):
    stored = (phantom(0, 32)[3:30] + 32768).astype(np.uint16)
    source = write_png(tmp_path / "a.png", stored)
    assert run(source, tmp_path / "b.npy", "--simulate=16") == 0
    truth = np.zeros((32, 32), np.float32)
    truth[2:29] = (read(source) + 1000) / 2000
    operator = ParallelBeamCT(ParallelBeam(32, 1000).every(16))
    expected = np.clip(operator.fbp(operator(truth)), 0, 1)[2:29]
    found = (np.load(tmp_path / "b.npy") + 1000) / 2000
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (9, 40)])
def test_images_too_small_for_ssim_have_none(tmp_path, shape):
    source = tmp_path / "in" / "a.npy"
    source.parent.mkdir()
    np.save(source, np.random.default_rng(0).uniform(0, 50, shape).astype(np.float32))
    assert run(source.parent, tmp_path / "out", "--simulate=16") == 0
    (row,) = numbers(tmp_path / "out")
    assert float(row["psnr"]) > 5
    assert row["ssim"] == row["ssim_fbp"] == ""
    assert np.load(tmp_path / "out" / "a.npy").shape == shape


def test_what_the_weights_were_not_trained_for_is_told(
    folder, tmp_path, capsys, restorer
):
    restorer.card["scores"] = [{"residual": 1e-5}, {"residual": 2e-5}]
    assert run(folder / "p0.png", tmp_path / "b.npy", "--simulate=16") == 0
    text, error = capsys.readouterr()
    assert "warning: b.npy: " in error
    assert "over 20 times the usual: not what the weights were trained for?" in error
    [found] = re.findall(r"([\d.e+-]+) of the measurement unexplained", text)
    restorer.card["scores"] = [{"residual": float(found) / 10}]  # of a like image
    assert run(folder / "p1.png", tmp_path / "c.npy", "--simulate=16") == 0
    assert "warning" not in capsys.readouterr().err


def test_pixels_unlike_those_of_the_training_are_told_first(
    tmp_path, capsys, restorer, monkeypatch
):
    """In one line for all slices of a series."""
    stub(monkeypatch)
    restorer.card["spacing_mm"] = [0.5, 1.0]
    write_slices(tmp_path / "in", [phantom(0)] * 3)
    assert run(tmp_path / "in", tmp_path / "a", "--simulate=16") == 0
    assert capsys.readouterr().err == ""
    restorer.card["spacing_mm"] = [0.8, 1.0]
    assert run(tmp_path / "in", tmp_path / "b", "--simulate=16") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "sisr_jax.enhance: warning: 0.dcm and 2 others: pixels of 0.7 mm, and these "
        "weights were trained with 0.8 to 1 mm"
    )


def test_an_image_of_another_device_is_refused(tmp_path, capsys):
    """Its values alone would do."""
    image = np.full((32, 32), 100, np.uint8)
    path = write_dicom(tmp_path / "a.dcm", image, Modality="US")
    assert run(path, tmp_path / "b.tif", "--simulate=16") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{path}: an image of US, and these weights are for CT" in line
    converted = write_dicom(tmp_path / "c.dcm", image, Modality="OT")
    assert run(converted, tmp_path / "d.tif", "--simulate=16") == 0


@pytest.mark.parametrize("pixel_mm", [None, 0.8])
def test_a_sinogram_is_restored(tmp_path, pixel_mm):
    beam = ParallelBeam(32, angles=np.linspace(0.1, 0.1 + np.pi, 40, endpoint=False))
    operator, hu = ParallelBeamCT(beam), np.stack([phantom(i) for i in range(5)])
    image = (hu + 1000) / 2000
    if pixel_mm is not None:
        image = np.asarray(attenuation_from_hu(hu, pixel_mm=pixel_mm))
    arrays = {
        "sinogram": np.asarray(operator(image.astype(np.float32))),
        "angles": beam.angles,
        "size": 32,
    }
    arrays |= {} if pixel_mm is None else {"pixel_mm": pixel_mm}
    np.savez(tmp_path / "a.npz", **arrays)
    assert run(tmp_path / "a.npz", tmp_path / "b.tif") == 0
    found = np.stack(list(read_images(tmp_path / "b.tif", range(5), HU)))
    views = operator(((hu + 1000) / 2000).astype(np.float32))
    expected = -1000 + 2000 * np.clip(operator.fbp(views), 0, 1)
    np.testing.assert_allclose(found, expected, atol=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 3.5}, "size = 3.5: expected a whole number"),
        ({"angles": None}, "no array 'angles'"),
        ({"angles": np.zeros((2, 20))}, r"and shape \(2, 20\): expected"),
        ({"sinogram": np.zeros((40, 9))}, r"sinogram of shape \(40, 9\): expected"),
        ({"sinogram": np.full((40, 46), np.nan)}, "finite"),
        ({"sinogram": np.zeros((0, 40, 46))}, "0 images, expected 1 to"),
        ({"sinogram": np.array(["a"])}, "sinogram"),
        ({"angles": np.linspace(0, 3, 4), "sinogram": np.zeros((4, 46))}, "4 views"),
        ({"pixel_mm": -1}, "pixel_mm = -1: expected a number from"),
        # Both would make an image of NaN.
        ({"pixel_mm": 1e-300}, "pixel_mm = 1e-300: expected a number from"),
        ({"sinogram": np.full((40, 46), 1e300)}, "finite real numbers, at most 1e"),
        # The magnitude of which is itself.
        ({"sinogram": np.full((40, 46), -(2**63))}, "finite real numbers, at most 1e"),
        ({"angles": np.array([None] * 40)}, "damaged"),
        ({"angles": np.array(["a"] * 40)}, "angles of type <U1"),
        ({"angles": np.arange(40) / 13 + 1j}, "angles of type complex128"),
        ({"angles": np.zeros(2**16 + 1)}, "each of at most 65536 views"),
        ({"angles": np.arange(40) * 4.5}, "angles up to 175.5: expected radians"),
    ],
)
def test_sinograms_that_are_none(tmp_path, capsys, changes, message):
    arrays = {"size": 32, "angles": np.arange(40) / 13, "sinogram": np.ones((40, 46))}
    arrays = {k: v for k, v in (arrays | changes).items() if v is not None}
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    code = run(path, tmp_path / "b.tif")
    error = capsys.readouterr().err
    assert code in (1, 2)
    assert error.count("\n") == 1
    assert f"{path}: " in error
    assert re.search(message, error), error
    assert not (tmp_path / "b.tif").exists()


@pytest.mark.parametrize("byte", [0, 6], ids=["signature", "version"])
def test_an_archive_that_cannot_be_listed_is_one_of_many(
    tmp_path, capsys, monkeypatch, byte
):
    """The others of its folder are restored."""
    stub(monkeypatch)
    source = tmp_path / "in"
    source.mkdir()
    np.save(source / "a.npy", phantom(0).astype(np.float32))
    np.savez(source / "b.npz", sinogram=np.ones((40, 46)), size=32)
    content = bytearray((source / "b.npz").read_bytes())
    content[content.index(b"PK\1\2") + byte] ^= 255
    (source / "b.npz").write_bytes(content)
    assert run(source, tmp_path / "out", "--simulate=16") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{source / 'b.npz'}: truncated or damaged npz (" in line
    assert (tmp_path / "out" / "a.npy").exists()


def test_places_that_are_refused(folder, tmp_path, capsys):
    there = tmp_path / "there.png"
    shutil.copy(folder / "p0.png", there)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "e.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere")
    for arguments, message in (
        ([folder, folder / "out", "--simulate=16"], "inside of"),
        ([folder, tmp_path, "--simulate=16"], "inside of"),
        ([tmp_path / "none", tmp_path / "b.png"], "no such file or folder"),
        ([folder / "p0.png", there, "--simulate=16"], "is there; --overwrite"),
        ([folder / "p0.png", tmp_path / "b.png"], "expected --simulate=K to measure"),
        ([folder / "p0.png", tmp_path / "b.png", "--columns=4"], "are for views"),
        ([folder / "p0.png", tmp_path / "b.dcm", "--simulate=16"], "DICOM from PNG"),
        ([folder / "p0.png", tmp_path / "b.png", "--simulate=0"], "expected 1 to 1000"),
        ([folder / "p0.png", tmp_path / "b.png", "--simulate=2"], "500 views"),
        ([folder, tmp_path / "none", "--simulate=1000"], "1 views: these weights"),
        ([folder, tmp_path / "none", "--simulate=16", "--format=tif"], "one of .png"),
        ([folder, tmp_path / "none", "--simulate=16", "--format=/../a.png"], "one of"),
        ([folder, tmp_path / "dangling", "--simulate=16"], "broken link"),
        ([folder, tmp_path / "circle", "--simulate=16"], "broken link"),
        ([folder, tmp_path / ("n" * 300), "--simulate=16"], "File name too long"),
        ([tmp_path / ("n" * 300), tmp_path / "none"], "File name too long"),
        ([tmp_path / "pipe.png", tmp_path / "b.png", "--simulate=16"], "pipe"),
        (
            [folder / "p0.png", tmp_path / "e.png", "--simulate=16", "--overwrite"],
            "a folder, expected a file",
        ),
        ([folder / "p0.png", tmp_path / "c" / "b.png", "--simulate=16"], "no such"),
        (
            [folder / "p0.png", tmp_path / "pipe.png", "--simulate=16", "--overwrite"],
            "pipe.png: a folder, pipe, device or broken link, not a file",
        ),
        ([folder / "p0.png", tmp_path / "lost.png", "--simulate=16"], "broken link"),
        (
            [folder / "p0.png", tmp_path / "b.png", "--simulate=16", "--format=.tif"],
            "needs a folder",
        ),
        (
            [
                folder / "p0.png",
                tmp_path / "b.png",
                "--png_rescale=1,0",
                "--simulate=9",
            ],
            "values in other units",
        ),
    ):
        before = there.read_bytes()
        assert run(*arguments) in (1, 2), arguments
        error = capsys.readouterr().err
        assert message in error, (arguments, error)
        assert error.count("\n") == 1
        assert there.read_bytes() == before
        assert not (tmp_path / "b.png").exists()
        assert not (tmp_path / "none").exists()
    assert (tmp_path / "pipe.png").is_fifo()
    assert (tmp_path / "lost.png").is_symlink()


def test_a_folder_that_takes_no_files_is_told_before_the_work(
    folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("sisr_jax.storage.folder.os.access", lambda *_: False)  # root
    monkeypatch.setattr(jobs, "simulate", None)
    assert run(folder / "p0.png", tmp_path / "b.png", "--simulate=16") == 2
    assert f"{tmp_path} cannot be written" in capsys.readouterr().err


def test_what_is_no_file_stays_in_a_folder_of_results(folder, tmp_path, capsys):
    target = tmp_path / "out"
    target.mkdir()
    os.mkfifo(target / "p0.png")
    assert run(folder, target, "--simulate=16", "--overwrite") == 2
    assert "p0.png: a folder, pipe, device or" in capsys.readouterr().err
    assert (target / "p0.png").is_fifo()


@pytest.mark.parametrize(
    "arguments",
    [
        ["", "out", "--simulate=16"],
        ["in", " ", "--simulate=16"],
        ["in", "out", "--simulate=16", "--png_rescale=0,0"],
        ["in", "out", "--simulate=16", "--png_rescale=nan,0"],
        ["in", "out", "--simulate=16", "--png_rescale=1"],
        ["in", "out", "--columns=4/4"],
        ["in", "out", "--columns=4", "--views=63"],
        ["in", "out", "--views=1000000000/16000000"],
    ],
)
def test_arguments_that_are_refused(folder, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sisr_jax.enhance: error: ")
    assert "expected" in line
    assert [each.name for each in tmp_path.iterdir()] == ["in"]


def test_a_source_that_has_changed_is_restored_again(folder, tmp_path, capsys):
    target = tmp_path / "out"
    run(folder, target, "--simulate=16")
    old = numbers(target)
    shutil.copy(folder / "p1.png", folder / "p0.png")
    capsys.readouterr()
    assert run(folder, target, "--simulate=16") == 1
    assert f"{folder / 'p0.png'}: has changed since" in capsys.readouterr().err
    np.testing.assert_array_equal(read(target / "p0.png"), read(target / "p1.png"))
    new = {row["file"]: row["psnr"] for row in numbers(target)}
    assert len(new) == len(numbers(target)) == 4
    assert new["p0.png"] == new["p1.png"] != old[0]["psnr"]
    capsys.readouterr()
    assert run(folder, target, "--simulate=16") == 1
    assert "has changed" not in capsys.readouterr().err


def test_a_file_of_somebody_else_is_never_replaced(folder, tmp_path, capsys):
    """Not even in a folder that the same command has filled."""
    target = tmp_path / "out"
    run(folder, target, "--simulate=16")
    shutil.copy(folder / "p0.png", folder / "p9.png")
    (target / "p9.png").write_bytes(b"somebody's")
    capsys.readouterr()
    assert run(folder, target, "--simulate=16") == 2
    error = capsys.readouterr().err
    assert f"{target / 'p9.png'}: is there, and not by this command" in error
    assert (target / "p9.png").read_bytes() == b"somebody's"
    assert run(folder, target, "--simulate=16", "--overwrite") == 1
    np.testing.assert_array_equal(read(target / "p9.png"), read(target / "p0.png"))


def test_numbers_and_image_are_of_one_restoration(folder, tmp_path, monkeypatch):
    """A kill between the two leaves the numbers, which the next command replaces."""
    target = tmp_path / "out"
    original = restoring.write_images

    def killed(path, *arguments):
        if path.name == "p1.png":
            raise KeyboardInterrupt
        original(path, *arguments)

    monkeypatch.setattr(restoring, "write_images", killed)
    assert run(folder, target, "--simulate=16") == 130
    assert not (target / "p1.png").exists()
    monkeypatch.setattr(restoring, "write_images", original)
    assert run(folder, target, "--simulate=16") == 1
    found = [row["file"] for row in numbers(target)]
    assert found == ["p0.png", "p1.png", "series/0.dcm", "series/1.dcm"]
    assert (target / "p1.png").exists()


def test_after_two_kills_the_same_command_goes_on(
    folder, tmp_path, monkeypatch, capsys
):
    """The second one comes before anything was restored again."""
    target = tmp_path / "out"
    command = folder, target, "--simulate=16", "--report"

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(
        restoring, "_draw", lambda job, *_: report_of(job.target).write_bytes(b"")
    )
    assert run(*command) == 1
    shutil.copy(folder / "p1.png", folder / "p0.png")  # is restored again
    (target / "p1.png").unlink()  # its report is there
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "simulate", interrupt)
        assert run(*command) == 130
    assert run(*command) == 1
    assert "by this command" not in capsys.readouterr().err
    np.testing.assert_array_equal(read(target / "p0.png"), read(target / "p1.png"))


def interrupted_at(monkeypatch, name):
    """Ctrl-C before this file is written."""
    original = restoring.write_images

    def write(path, *arguments):
        if path.name == name:
            raise KeyboardInterrupt
        original(path, *arguments)

    monkeypatch.setattr(restoring, "write_images", write)


def test_a_table_cut_short_by_a_kill_is_gone_on_with(folder, tmp_path, monkeypatch):
    """Wherever the kill came in the row of the file that was restored last."""
    target, table = tmp_path / "out", tmp_path / "out" / "enhance.csv"
    with monkeypatch.context() as patch:
        interrupted_at(patch, "p1.png")
        assert run(folder, target, "--simulate=16") == 130
    whole = table.read_bytes()
    assert whole.count(b"\n") == 3  # the numbers come before the image
    stub(monkeypatch)
    first = whole.index(b"\np1.png") + 1
    kept = (target / "p0.png").stat().st_mtime_ns
    for length in range(first, len(whole)):
        table.write_bytes(whole[:length])
        with monkeypatch.context() as patch:
            patch.setattr(restoring, "finish", lambda *_: None)
            assert run(folder, target, "--simulate=16") == 1
        assert [row["file"] for row in numbers(target)] == [
            *("p0.png", "p1.png", "series/0.dcm", "series/1.dcm")
        ]
        for name in ("p1.png", "series/0.dcm", "series/1.dcm"):
            (target / name).unlink()
    assert (target / "p0.png").stat().st_mtime_ns == kept


def test_the_table_is_written_whole_twice_for_any_number_of_files(
    tmp_path, monkeypatch
):
    stub(monkeypatch)
    source = tmp_path / "in"
    source.mkdir()
    for index in range(9):
        np.save(source / f"{index}.npy", phantom(index).astype(np.float32))
    written = []

    def spy(path, content):
        written.append(path.name)
        return original(path, content)

    original = progress_table.write_whole
    monkeypatch.setattr(progress_table, "write_whole", spy)
    monkeypatch.setattr(restoring, "write_whole", spy, raising=False)
    assert run(source, tmp_path / "out", "--simulate=16") == 0
    assert written.count("enhance.csv") == 2
    assert len(numbers(tmp_path / "out")) == 9
    (tmp_path / "out" / "4.npy").unlink()
    assert run(source, tmp_path / "out", "--simulate=16") == 0
    found = [row["file"] for row in numbers(tmp_path / "out")]
    assert found == [f"{index}.npy" for index in range(9)]


def test_a_table_of_more_images_than_other_tables_have_is_gone_on_with(
    folder, tmp_path, monkeypatch
):
    """Of 500 volumes, for instance."""
    target, table = tmp_path / "out", tmp_path / "out" / "enhance.csv"
    assert run(folder, target, "--simulate=16") == 1
    with table.open("a") as file:
        file.writelines(f"gone,{i},,,,,,{'0' * 64}\n" for i in range(MAX_ROWS + 1))
    assert run(folder, target, "--simulate=16") == 1
    assert len(numbers(target)) == 4


def test_a_file_that_comes_back_was_restored_before(folder, tmp_path, monkeypatch):
    """Of which nothing was forgotten while it could not be read."""
    target = tmp_path / "out"
    stub(monkeypatch)
    assert run(folder, target, "--simulate=16") == 1
    before, kept = numbers(target), (target / "p0.png").stat().st_mtime_ns
    (folder / "p0.png").rename(tmp_path / "p0.png")
    assert run(folder, target, "--simulate=16") == 1
    assert numbers(target) == before[1:] + before[:1]
    (tmp_path / "p0.png").rename(folder / "p0.png")
    assert run(folder, target, "--simulate=16") == 1
    assert numbers(target) == before
    assert (target / "p0.png").stat().st_mtime_ns == kept


def test_overwriting_goes_on_after_a_kill(folder, tmp_path, monkeypatch):
    """And begins anew once it has come to its end."""
    target = tmp_path / "out"
    stub(monkeypatch)
    assert run(folder, target, "--simulate=8") == 1
    command = folder, target, "--simulate=16", "--overwrite"
    with monkeypatch.context() as patch:
        interrupted_at(patch, "0.dcm")
        assert run(*command) == 130
    kept = (target / "p1.png").stat().st_mtime_ns
    old = (target / "series" / "1.dcm").stat().st_mtime_ns
    assert run(*command) == 1
    assert (target / "p1.png").stat().st_mtime_ns == kept
    assert (target / "series" / "1.dcm").stat().st_mtime_ns > old
    assert len(numbers(target)) == 4
    assert run(*command[:3]) == 1  # the same command, which has nothing left to do
    assert (target / "p1.png").stat().st_mtime_ns == kept
    assert run(*command) == 1
    assert (target / "p1.png").stat().st_mtime_ns > kept


def test_overwriting_after_a_kill_is_of_its_own_settings(folder, tmp_path, monkeypatch):
    """Nothing of one command is taken for another's."""
    target = tmp_path / "out"
    stub(monkeypatch)
    with monkeypatch.context() as patch:
        interrupted_at(patch, "0.dcm")
        assert run(folder, target, "--simulate=8", "--overwrite") == 130
    kept = (target / "p1.png").stat().st_mtime_ns
    assert run(folder, target, "--simulate=16", "--overwrite") == 1
    assert (target / "p1.png").stat().st_mtime_ns > kept


@pytest.mark.parametrize("written", [0, 1])
def test_a_kill_while_overwriting_begins(folder, tmp_path, monkeypatch, written):
    """Rows of the old settings are never taken for rows of the new ones."""
    target = tmp_path / "out"
    stub(monkeypatch)
    assert run(folder, target, "--simulate=8") == 1
    old = (target / "p1.png").stat().st_mtime_ns
    calls = []

    def killed(path, content):
        if len(calls) == written:
            raise KeyboardInterrupt
        calls.append(path)
        return original(path, content)

    original = progress_table.write_whole
    with monkeypatch.context() as patch:
        patch.setattr(progress_table, "write_whole", killed)
        assert run(folder, target, "--simulate=16", "--overwrite") == 130
    assert run(folder, target, "--simulate=16") == 2
    assert run(folder, target, "--simulate=16", "--overwrite") == 1
    assert (target / "p1.png").stat().st_mtime_ns > old


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("enhance.csv", b"\xff\xfe"),
        ("enhance.csv", b""),
        ("enhance.csv", b"x,y\n1,2\n"),
        ("enhance.csv", b'file\n"' + b"a" * 200_000),
        ("enhance.csv", f"{HEAD}\np0.png,0,x,1,1,1,1,1".encode()),
        ("enhance.json", b"\xff\xfe"),
        ("enhance.json", b""),
        ("enhance.json", b"[" * 100_000),
        ("enhance.json", b"{}"),
    ],
)
def test_what_is_in_the_folder_may_be_anything(folder, tmp_path, capsys, name, content):
    target = tmp_path / "out"
    run(folder, target, "--simulate=16")
    (target / name).write_bytes(content)
    before = (target / "p1.png").read_bytes()
    capsys.readouterr()
    assert run(folder, target, "--simulate=16") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(target / name) in error
    assert (target / "p1.png").read_bytes() == before


def test_a_folder_takes_one_command_at_a_time(folder, tmp_path, capsys):
    target = tmp_path / "out"
    hold = "import sys; from etils import epath; from sisr_jax.hosts.lock import Lock; "
    hold += "Lock(epath.Path(sys.argv[1])).acquire(); print(flush=True); input()"
    target.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert run(folder, target, "--simulate=16") == 2
        error = capsys.readouterr().err
        assert f"OUT {target} is in use by process {holder.pid} on" in error
        assert not (target / "p0.png").exists()
        holder.communicate(b"\n")
    assert run(folder, target, "--simulate=16") == 1
    assert not (target / "lock.json").exists()


def test_a_slice_of_air_has_no_scores(tmp_path, capsys):
    """Of which nothing was measured: its PSNR would be infinite."""
    images = np.stack([phantom(0), np.full((32, 32), -1000.0), phantom(1)])
    source = tmp_path / "in" / "a.tif"
    source.parent.mkdir()
    write_tiff(source, images.astype(np.float32))
    assert run(source.parent, tmp_path / "out", "--simulate=16") == 0
    whole, air, _ = numbers(tmp_path / "out")
    assert (air["residual"], air["psnr"]) == ("0", "")
    assert float(whole["psnr"]) > 20
    text = capsys.readouterr().out
    assert "nan" not in text
    assert "inf" not in text


def test_more_pixels_than_memory_are_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(jobs, "_MAX_PIXELS", 2 * 32 * 32)
    write_tiff(tmp_path / "a.tif", np.zeros((3, 32, 32), np.float32))
    assert run(tmp_path / "a.tif", tmp_path / "b.tif", "--simulate=16") == 2
    assert "a.tif: 3072 pixels, expected at most 2048" in capsys.readouterr().err


def test_a_mistake_in_the_program_has_a_traceback(
    folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(jobs, "simulate", lambda *_, **__: 1 / 0)
    assert run(folder, tmp_path / "out", "--simulate=16") == 70
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("views", ["9", "100/12"])
def test_a_back_projection_is_restored_from_its_views(
    tmp_path, capsys, monkeypatch, restorer, views
):
    num_angles, _, factor = views.partition("/")
    beam = ParallelBeam(32, int(num_angles)).every(int(factor or 1))
    operator = ParallelBeamCT(beam)
    y = np.asarray(operator((np.stack([phantom(0), phantom(1)]) + 1000) / 2000))
    image = 2000 * np.asarray(operator.fbp(y)) - 1000
    seen = []
    monkeypatch.setattr(
        Restorer,
        "measured_at_once",
        lambda self, variables, y, operator: seen.append(y) or operator.fbp(y),
    )
    write_tiff(tmp_path / "a.tif", image.astype(np.float32))
    assert run(tmp_path / "a.tif", tmp_path / "b.tif", f"--views={views}") == 0
    found = np.stack(list(read_images(tmp_path / "b.tif", [0, 1], HU)))
    # This network returns back-projection: what comes out is what went in.
    assert np.linalg.norm(found - image) < 0.01 * np.linalg.norm(image + 1000)
    assert len(seen) == 1
    write_tiff(tmp_path / "c.tif", np.clip(image, -1000, 300).astype(np.float32))
    assert run(tmp_path / "c.tif", tmp_path / "d.tif", f"--views={views}") == 1
    assert "cannot come from 9 views" in capsys.readouterr().err
    assert not (tmp_path / "d.tif").exists()


def test_views_that_are_refused(folder, tmp_path, capsys):
    source, target = folder / "p0.png", tmp_path / "b.png"
    for arguments, message in (
        (["--views=5"], "5 views: these weights are for 8 to 250"),
        (["--views=1000/2"], "500 views: these weights"),
        (["--views=63", "--simulate=16"], "expected one of them"),
    ):
        assert run(source, target, *arguments) == 2
        assert message in capsys.readouterr().err
    for views in ("0", "10/0", "many", "-63"):
        assert run(source, target, f"--views={views}") == 2
        assert "expected N or N/K" in capsys.readouterr().err
    assert not target.exists()


@pytest.fixture
def pages(monkeypatch):
    """What is drawn of restorations."""
    drawn = []
    monkeypatch.setattr(
        restoring,
        "draw_restoration",
        lambda path, page, **_: drawn.append((path, page)),
    )
    return drawn


@pytest.mark.parametrize("count", [1, 3, 9])
def test_a_report_is_of_the_middle_image(tmp_path, pages, count):
    images = np.stack([phantom(index)[2:31, 3:30] for index in range(count)])
    write_tiff(tmp_path / "a.tif", images.astype(np.float32))
    target = tmp_path / "b.tif"
    assert run(tmp_path / "a.tif", target, "--simulate=16", "--report") == 0
    ((path, page),) = pages
    assert path == tmp_path / "b.tif.report.png"
    middle = count // 2
    (restored,) = read_images(target, [middle], HU)
    np.testing.assert_allclose(2000 * page.image - 1000, restored, atol=0.01)
    np.testing.assert_allclose(2000 * page.truth - 1000, images[middle], atol=0.01)
    # This network returns back-projection, clipped.
    np.testing.assert_allclose(page.first, page.image, atol=1e-5)
    assert page.unexplained.shape[0] == 63
    assert 0.001 < np.abs(page.unexplained).max() < 1
    assert page.half_width is None
    assert 0 < np.abs(page.null_space).mean() < np.abs(page.image).mean()


def test_a_report_of_a_sinogram_has_no_truth_but_an_interval(tmp_path, pages, restorer):
    restorer.card["interval"] = {"level": 0.9, "multiple": 2.0}
    beam = ParallelBeam(32, 20)
    views = np.stack([np.asarray(ParallelBeamCT(beam)(phantom(n))) for n in range(2)])
    views = (views + 1000 * np.asarray(ParallelBeamCT(beam)(np.ones((32, 32))))) / 2000
    np.savez(tmp_path / "a.npz", sinogram=views, angles=beam.angles, size=32)
    assert run(tmp_path / "a.npz", tmp_path / "b.tif", "--report") == 0
    ((_, page),) = pages
    assert page.truth is None
    assert page.half_width is not None
    assert page.half_width.max() > 0


def test_reports_that_are_refused(folder, tmp_path, capsys):
    source, target = folder / "p0.png", tmp_path / "b.png"
    assert run(source, target, "--report") == 2
    assert "--report is about a measurement" in capsys.readouterr().err
    (tmp_path / "b.png.report.png").write_text("mine")
    assert run(source, target, "--simulate=16", "--report") == 2
    assert "b.png.report.png: is there; --overwrite" in capsys.readouterr().err
    assert (tmp_path / "b.png.report.png").read_text() == "mine"
    assert not target.exists()
    assert run(source, target, "--simulate=16", "--report", "--overwrite") == 0
    assert (tmp_path / "b.png.report.png").read_bytes()[:4] == b"\x89PNG"


@pytest.fixture
def frames(tmp_path, monkeypatch):
    """A frame, and every 4th column of it from the second on; the shipped weights."""
    monkeypatch.setattr(enhance, "load", load)
    frame = ultrasound_phantom(0, 0, (40, 64)).astype(np.uint8)
    for name, image in (("all", frame), ("kept", frame[:, 1::4])):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    return frame


def test_kept_columns_are_restored_and_stay(tmp_path, frames, capsys):
    model = "--model=scan-line-ultrasound"
    source, target = tmp_path / "kept.png", tmp_path / "out.png"
    assert run(source, target, model, "--columns=4/1", "--report") == 0
    restored = np.asarray(Image.open(target))
    assert restored.shape == frames.shape
    np.testing.assert_array_equal(restored[:, 1::4], frames[:, 1::4])
    error, straight = (
        np.abs(each.astype(float) - frames).mean()
        for each in (restored, np.repeat(frames[:, 1::4], 4, axis=1))
    )
    assert error < straight
    assert (tmp_path / "out.png.report.png").read_bytes()[:4] == b"\x89PNG"
    assert run(source, tmp_path / "no.png", model, "--columns=32") == 2
    assert "one of 32 columns" in capsys.readouterr().err
    assert run(source, tmp_path / "no.png", model) == 2
    assert "--columns=K if it is every K-th" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_command_goes_on(tmp_path):
    """With the shipped weights, in a process of its own."""
    for index in range(6):
        stored = (phantom(index, 64) + 32768).astype(np.uint16)
        write_png(tmp_path / "in" / f"{index}.png", stored)
    command = [sys.executable, "-m", "sisr_jax.enhance", tmp_path / "in"]
    command = [*map(str, command), str(tmp_path / "out"), "--simulate=16"]
    with subprocess.Popen(command) as process:
        while not (tmp_path / "out" / "2.png").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    first = (tmp_path / "out" / "0.png").stat().st_mtime_ns
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "6 images of 6 files restored" in done.stdout
    rows = numbers(tmp_path / "out")
    assert [row["file"] for row in rows] == [f"{index}.png" for index in range(6)]
    assert (tmp_path / "out" / "0.png").stat().st_mtime_ns == first
    for row in rows:
        assert float(row["psnr"]) > float(row["psnr_fbp"]) + 3


def stub(monkeypatch):
    """Returns what it is given: what is tested is where it goes."""
    monkeypatch.setattr(
        jobs,
        "simulate",
        lambda restorer, images, *, factor: Outcome(images, [{} for _ in images]),
    )


@pytest.mark.parametrize(("error", "code"), [(OSError, 74), (KeyboardInterrupt, 130)])
def test_the_same_command_goes_on_after_a_report_without_its_image(
    folder, tmp_path, monkeypatch, capsys, error, code
):
    def failing(*_, **__):
        raise error(28, "No space left on device")

    command = folder / "p0.png", tmp_path / "b.npy", "--simulate=16", "--report"
    with monkeypatch.context() as patch:
        patch.setattr(np, "save", failing)
        assert run(*command) == code
    assert not list(tmp_path.glob("*b.npy*"))
    assert run(*command) == 0, capsys.readouterr().err
    assert (tmp_path / "b.npy.report.png").exists()


def test_a_report_never_takes_the_place_of_an_image(
    folder, tmp_path, monkeypatch, capsys
):
    """As in a folder that an earlier command made with reports."""
    stub(monkeypatch)
    shutil.copy(folder / "p0.png", folder / "p1.png.report.png")
    target = tmp_path / "out"
    assert run(folder, target, "--simulate=16", "--report") == 2
    error = capsys.readouterr().err
    assert f"{target / 'p1.png.report.png'}: 2 files would be written there" in error
    assert not target.exists()


def test_a_name_that_leaves_no_room_is_named(tmp_path, monkeypatch, capsys):
    """The other files are restored."""
    stub(monkeypatch)
    for name in ("n" * 245, "z"):
        write_slices(tmp_path, [phantom(0)])
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "0.dcm").rename(tmp_path / "in" / f"{name}.dcm")
    assert run(tmp_path / "in", tmp_path / "out", "--simulate=16") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "a name of 249 bytes, expected at most 230" in line
    assert (tmp_path / "out" / "z.dcm").exists()


@pytest.mark.parametrize("back", [False, True])
def test_no_link_leads_to_a_loss_of_what_is_restored(
    tmp_path, monkeypatch, capsys, back
):
    """From the folder of results to a folder of images, or from there a file back."""
    stub(monkeypatch)
    source, target = tmp_path / "in", tmp_path / "out"
    target.mkdir()
    write_slices(source / "series", [phantom(0)])
    kept = source / "series" / "0.dcm"
    if back:
        (target / "series").mkdir()
        kept = kept.rename(target / "series" / "0.dcm")
        (source / "series" / "0.dcm").symlink_to(kept)
    else:
        (target / "series").symlink_to(source / "series")
    before = kept.read_bytes()
    assert run(source, target, "--simulate=16", "--overwrite") == 2
    assert "0.dcm: a file of INPUT, expected another" in capsys.readouterr().err
    assert kept.read_bytes() == before


def test_another_run_of_as_many_steps_is_another_model(
    tmp_path, monkeypatch, capsys, restorer
):
    stub(monkeypatch)
    write_slices(tmp_path / "in", [phantom(0)])
    command = [tmp_path / "in", tmp_path / "out", "--simulate=16", "--model=runs/a"]
    card = {"name": "a", "step": 30}
    for value, code in ((1.0, 0), (1.0, 0), (2.0, 2)):
        weights = {"params": {"kernel": np.full(3, value, np.float32)}}
        found = dataclasses.replace(restorer, card=card, variables=weights)
        monkeypatch.setattr(enhance, "load", lambda name, found=found: found)
        assert run(*command) == code
    assert "OUT was made by another command" in capsys.readouterr().err


def test_other_columns_are_another_command(tmp_path, frames, capsys):
    """Images that were made with the first column elsewhere stood for these."""
    model, target = "--model=scan-line-ultrasound", tmp_path / "out"
    (tmp_path / "in").mkdir()
    (tmp_path / "kept.png").rename(tmp_path / "in" / "kept.png")
    assert run(tmp_path / "in", target, model, "--columns=4/1") == 0
    before = (target / "kept.png").read_bytes()
    assert run(tmp_path / "in", target, model, "--columns=4/1") == 0
    assert run(tmp_path / "in", target, model, "--columns=4/2") == 2
    assert "made by another command" in capsys.readouterr().err
    assert (target / "kept.png").read_bytes() == before
    assert run(tmp_path / "in", target, model, "--columns=4/2", "--overwrite") == 0
    restored = np.asarray(Image.open(target / "kept.png"))
    np.testing.assert_array_equal(restored[:, 2::4], frames[:, 1::4])


def test_all_that_is_asked_for_is_compared(folder, tmp_path, monkeypatch):
    stub(monkeypatch)
    run(folder, tmp_path / "out", "--simulate=16")
    settings = json.loads((tmp_path / "out" / "enhance.json").read_text())
    asked = set(Request._fields) - {"output", "overwrite"}
    assert settings.keys() == asked | {"weights", "version"}


def test_a_piece_of_an_identifier_is_no_extension(tmp_path, monkeypatch):
    stub(monkeypatch)
    write_slices(tmp_path, [phantom(index) for index in (2, 3)])
    (tmp_path / "in").mkdir()
    for index in range(2):
        name = tmp_path / "in" / f"1.2.840.{index}"
        (tmp_path / f"{index}.dcm").rename(name)
    assert run(tmp_path / "in", tmp_path / "out", "--simulate=16", "--format=.tif") == 0
    assert [row["file"] for row in numbers(tmp_path / "out")] == [
        "1.2.840.0.tif",
        "1.2.840.1.tif",
    ]


def test_slices_of_other_weights_or_settings_are_other_slices(
    tmp_path, monkeypatch, restorer
):
    """Two images by one identifier are one for an archive, which drops the second."""
    stub(monkeypatch)
    write_slices(tmp_path, [phantom(2)])
    target = tmp_path / "out.dcm"
    found = []
    for weights, arguments in (
        ("0", ["--simulate=16"]),
        ("1", ["--simulate=16"]),
        ("0", ["--simulate=8"]),
        ("0", ["--simulate=16", "--anonymise"]),
        ("0", ["--simulate=16"]),
    ):
        card = {**restorer.card, "sha256": 64 * weights}
        other = dataclasses.replace(restorer, card=card)
        monkeypatch.setattr(enhance, "load", lambda name, other=other: other)
        assert run(tmp_path / "0.dcm", target, "--overwrite", *arguments) == 0
        header = pydicom.dcmread(target)
        found.append((header.SOPInstanceUID, header.SeriesInstanceUID))
    assert found[0] == found[4]
    for uids in zip(*found[:4], strict=True):
        assert len(set(uids)) == 4


def test_a_slice_says_from_how_many_views_it_was_projected(tmp_path, monkeypatch):
    monkeypatch.setattr(
        jobs,
        "restore_back_projections",
        lambda restorer, images, **views: Outcome(images, [{} for _ in images]),
    )
    write_slices(tmp_path, [phantom(2)])
    uids = set()
    for views, count in (("100/12", 9), ("9", 9), ("18", 18)):
        arguments = f"--views={views}", "--overwrite"
        assert run(tmp_path / "0.dcm", tmp_path / "out.dcm", *arguments) == 0
        header = pydicom.dcmread(tmp_path / "out.dcm")
        uids.add(header.SOPInstanceUID)
        assert f"back-projection of {count} views" in header.DerivationDescription
    assert len(uids) == 3


def test_views_of_a_limited_arc_are_told(tmp_path, capsys):
    """Their number is one of the training, and the residual small: nothing else did."""
    for name, arc in (("a", np.pi), ("b", np.pi / 3)):
        beam = ParallelBeam(32, angles=np.linspace(0, arc, 40, endpoint=False))
        views = ParallelBeamCT(beam)(((phantom(0) + 1000) / 2000).astype(np.float32))
        arrays = {"sinogram": np.asarray(views), "angles": beam.angles, "size": 32}
        np.savez(tmp_path / f"{name}.npz", **arrays)
        assert run(tmp_path / f"{name}.npz", tmp_path / f"{name}.tif") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "warning: b.tif: no view within 122 degrees, and these weights" in line

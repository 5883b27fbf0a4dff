"""The command that restores files, with a network that returns what it gets."""

import csv
import json
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

from sisr_jax import enhance
from sisr_jax.data.formats.readers import read_images
from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.inference import Restorer
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from sisr_jax.tomography.noise import attenuation_from_hu

HU = (1.0, -32768.0)


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

    original = enhance.simulate
    monkeypatch.setattr(enhance, "simulate", spy)
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


def test_what_the_weights_were_not_trained_for_is_told(
    folder, tmp_path, capsys, restorer
):
    restorer.card["scores"] = [{"residual": 1e-5}, {"residual": 2e-5}]
    assert run(folder / "p0.png", tmp_path / "b.npy", "--simulate=16") == 0
    error = capsys.readouterr().err
    assert "warning: b.npy: " in error
    assert "over 20 times the usual: not what the weights were trained for?" in error
    restorer.card["scores"] = [{"residual": 1.0}]
    assert run(folder / "p1.png", tmp_path / "c.npy", "--simulate=16") == 0
    assert "warning" not in capsys.readouterr().err


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
        ({"size": 30}, "size = 30: expected a multiple of 16"),
        ({"size": 3.5}, "size = 3.5: expected a whole number"),
        ({"angles": None}, "no array 'angles'"),
        ({"angles": np.zeros((2, 20))}, r"angles of shape \(2, 20\)"),
        ({"sinogram": np.zeros((40, 9))}, r"sinogram of shape \(40, 9\): expected"),
        ({"sinogram": np.full((40, 46), np.nan)}, "finite"),
        ({"sinogram": np.array(["a"])}, "sinogram"),
        ({"angles": np.linspace(0, 3, 4), "sinogram": np.zeros((4, 46))}, "4 views"),
        ({"pixel_mm": -1}, "pixel_mm = -1: expected a number above 0"),
        ({"angles": np.array([None] * 40)}, "damaged"),
    ],
)
def test_sinograms_that_are_none(tmp_path, capsys, changes, message):
    arrays = {"size": 32, "angles": np.arange(40) / 13, "sinogram": np.ones((40, 46))}
    if changes.get("size") == 30:
        changes |= {"sinogram": np.ones((40, ParallelBeam(30, 1).num_detectors))}
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


def test_places_that_are_refused(folder, tmp_path, capsys):
    there = tmp_path / "there.png"
    shutil.copy(folder / "p0.png", there)
    for arguments, message in (
        ([folder, folder / "out", "--simulate=16"], "inside of"),
        ([folder, tmp_path, "--simulate=16"], "inside of"),
        ([tmp_path / "none", tmp_path / "b.png"], "no such file or folder"),
        ([folder / "p0.png", there, "--simulate=16"], "is there; --overwrite"),
        ([folder / "p0.png", tmp_path / "b.png"], "give --simulate=K"),
        ([folder / "p0.png", tmp_path / "b.dcm", "--simulate=16"], "DICOM from PNG"),
        ([folder / "p0.png", tmp_path / "b.png", "--simulate=0"], "expected 1 to 1000"),
        ([folder / "p0.png", tmp_path / "b.png", "--simulate=2"], "500 views"),
        ([folder / "p0.png", tmp_path / "c" / "b.png", "--simulate=16"], "no such"),
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

"""The command that measures reconstructions, on small images and phantoms."""

import csv
import json
import os

import flax.linen as nn
import numpy as np
import pytest
from image_files import write_dicom
from PIL import Image

from sisr_jax import trust
from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.errors import ExitCode, StorageError
from sisr_jax.evaluation import phantom_methods
from sisr_jax.inference import Restorer, load

SMALL = ("--size=64", "--pixel_size=2.8", "--samples=6")


class Identity(nn.Module):
    """Back-projection, as it is."""

    @nn.compact
    def __call__(self, estimate, measurement, operator, *, train):
        del measurement, operator, train
        return estimate


def run(*arguments):
    return trust.main([str(each) for each in arguments])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Slices in DICOM, and in npy what was made of them: noise and 7 HU."""
    root = tmp_path_factory.mktemp("trust")
    rng = np.random.default_rng(0)
    (root / "images" / "p").mkdir(parents=True)
    for index in range(2):
        truth = np.clip(np.round(ct_phantom(0, index, 192)), -1000, 1000)
        write_dicom(
            root / "references" / "p" / f"{index}.dcm",
            truth.astype(np.int16),
            RescaleSlope=1,
            RescaleIntercept=0,
        )
        noisy = truth + 7 + 15 * rng.standard_normal(truth.shape)
        np.save(root / "images" / "p" / f"{index}.npy", noisy.astype(np.float32))
    (root / "images" / "numbers.csv").write_text("none")
    return root


def rows(folder):
    with (folder / "trust.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_folders_are_measured_against_their_references(folders, tmp_path, capsys):
    output = tmp_path / "a" / "out"
    command = [
        folders / "images",
        f"--reference={folders / 'references'}",
        "--pixel_size=1.5",
        "--window=-900,1000",
        f"--output={output}",
    ]
    output.mkdir(parents=True)
    (output / "trust.csv").write_text("mine")
    assert run(*command) == ExitCode.BAD_INPUT
    assert "trust.csv: is there; --overwrite replaces" in capsys.readouterr().err
    assert (output / "trust.csv").read_text() == "mine"
    assert run(*command, "--overwrite") == ExitCode.DONE
    text = capsys.readouterr().out
    assert text.splitlines()[0].split("  ")[-1] == "slices: 2"
    found = {row["quantity"]: row for row in rows(output)}
    bias = found["bias, soft tissue"]
    assert float(bias["value"]) == pytest.approx(7, abs=2)
    assert bias["count"] == "2"
    assert 14 < float(found["noise of the difference"]["value"]) < 16
    content = json.loads((output / "trust.json").read_text())
    assert content["settings"]["window"] == [-900.0, 1000.0]
    method = content["methods"]["slices: 2"]
    assert [n["quantity"] for n in method["numbers"]] == list(found)
    assert len(method["curves"]["transfer"]["values"]) == 32
    with Image.open(output / "trust.png") as picture:
        assert picture.size[0] > 500
        assert "pixel_size 1.5" in picture.info["Title"]


def test_pixels_are_as_large_as_the_files_say(tmp_path, capsys):
    """Unless they are not square, or differ from each other or from what is given."""
    truth = np.clip(np.round(ct_phantom(0, 0, 64)), -1000, 1000).astype(np.int16)
    for name, spacing in (
        ("a/1", [1.5, 1.5]),
        ("a/2", [1.5, 1.5]),
        ("b/1", [1.5, 1.8]),
        ("c/1", [1.5, 1.5]),
        ("c/2", [0.7, 0.7]),
    ):
        write_dicom(tmp_path / f"{name}.dcm", truth, PixelSpacing=spacing)
    np.save(tmp_path / "plain.npy", truth.astype(np.float32))

    def measure(name, *arguments):
        place = tmp_path / name
        code = run(place, f"--reference={place}", *arguments)
        return code, capsys.readouterr().err

    output = tmp_path / "out"
    assert measure("a", f"--output={output}") == (0, "")
    settings = json.loads((output / "trust.json").read_text())["settings"]
    assert settings["pixel_size"] == 1.5
    for name, arguments, message in (
        ("a", ["--pixel_size=0.7"], "of 1.5 mm, expected 0.7 mm, as --pixel_size"),
        ("b", [], "1.dcm: pixels of 1.5 x 1.8 mm, expected square ones"),
        ("c", [], "2.dcm: pixels of 0.7 mm, expected 1.5 mm, as of the files before"),
        ("plain.npy", [], "--pixel_size is missing: "),
    ):
        code, error = measure(name, *arguments)
        assert code == ExitCode.BAD_INPUT
        assert error.count("\n") == 1
        assert message in error


@pytest.mark.parametrize("name", ["of $\\a$", os.fsdecode(b"of \xff")])
def test_names_are_neither_formulas_nor_always_text(folders, tmp_path, name):
    images = tmp_path / f"{name}.npy"
    images.write_bytes((folders / "images" / "p" / "0.npy").read_bytes())
    code = run(
        images,
        f"--reference={folders / 'references' / 'p' / '0.dcm'}",
        "--pixel_size=1",
        f"--output={tmp_path / 'out'}",
    )
    assert code == ExitCode.DONE
    assert (tmp_path / "out" / "trust.png").read_bytes()[:4] == b"\x89PNG"


def test_methods_reconstruct_the_phantom_side_by_side(tmp_path, capsys, monkeypatch):
    name = phantom_methods.method_names()[-1]
    trained = load(name)
    restorer = Restorer(Identity(), {}, trained.card, trained.config)
    monkeypatch.setattr(phantom_methods, "load", lambda name: restorer)
    output = tmp_path / "out"
    assert run(f"--phantom=fbp,{name}", *SMALL, f"--output={output}") == ExitCode.DONE
    text = capsys.readouterr().out
    assert text.splitlines()[0].split() == ["fbp", name]
    found = {(row["method"], row["quantity"]): row for row in rows(output)}
    assert len(found) == 2 * 13
    assert len(text.splitlines()) == 1 + 13
    # The network returns the back-projection.
    for key in ("noise", "its mean frequency", "bias, water"):
        first, second = (float(found[m, key]["value"]) for m in ("fbp", name))
        assert first == pytest.approx(second, rel=0.02, abs=0.02)
    assert 5 < float(found["fbp", "noise"]["value"]) < 40
    content = json.loads((output / "trust.json").read_text())
    assert content["settings"]["photons"] == 1e5
    assert set(content["methods"]) == {"fbp", name}


def test_values_outside_the_window_do_not_count(tmp_path):
    truth = ct_phantom(0, 0, 64)
    images = np.where(truth < -600, -3000, truth)
    for name, image in (("a", images), ("b", truth)):
        np.save(tmp_path / f"{name}.npy", image.astype(np.float32))
    files = [tmp_path / "a.npy", f"--reference={tmp_path / 'b.npy'}"]
    curves = {}
    for window in ("-600,1000", "-3000,1000"):
        output = tmp_path / window
        code = run(*files, "--pixel_size=1", f"--window={window}", f"--output={output}")
        assert code == ExitCode.DONE
        content = json.loads((output / "trust.json").read_text())
        curves[window] = content["methods"]["slices: 1"]["curves"]["transfer"]["values"]
    np.testing.assert_allclose(curves["-600,1000"], 1.0, rtol=1e-4)
    assert max(curves["-3000,1000"]) > 1.5


@pytest.mark.slow
def test_the_methods_in_the_box(tmp_path):
    methods = ["fbp", "tv", *phantom_methods.available("views")]
    output = tmp_path / "out"
    assert run(f"--phantom={','.join(methods)}", *SMALL, f"--output={output}") == 0
    noise = {
        r["method"]: float(r["value"]) for r in rows(output) if r["quantity"] == "noise"
    }
    assert list(noise) == methods
    assert 0 < noise["tv"] < 0.5 * noise["fbp"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "IMAGES is missing"),
        (["a"], "--reference is missing"),
        (["a", "--reference=b"], "a: no such file or folder"),
        (["a", "--reference=b", "--pixel_size=1"], "a: no such file or folder"),
        (
            ["a", "--reference=b", "--pixel_size=0"],
            "--pixel_size=0.0: expected at least 1e-06",
        ),
        (["a", "--reference=b", "--pixel_size=1e-320"], "expected at least 1e-06"),
        (["a", "--reference=b", "--pixel_size=x"], "--pixel_size: invalid float"),
        (["a", "--pixel_size=1", "--views=9"], "--views=9: only with --phantom"),
        (["a", "--window=5"], "--window: '5': expected two numbers"),
        (
            ["a", "--reference=b", "--pixel_size=1", "--window=5,5"],
            "--window=5,5: expected LO below HI",
        ),
        (["a", "--nothing"], "unrecognized arguments: --nothing"),
        (["a", "--phantom=fbp"], "IMAGES=a: only without --phantom"),
        (["--phantom=fbp", "--window=0,1"], "--window=(0.0, 1.0): only without"),
        (["--phantom=fbp", "--samples=5"], "--samples=5: expected at least 6"),
        (["--phantom=fbp", "--photons=nan"], "--photons=nan: expected at least 1"),
        (["--phantom=fbp", "--photons=0.9"], "--photons=0.9: expected at least 1"),
        (["--phantom=fbp", "--seed=4294967296"], "expected at most 4294967295"),
        (["--phantom=fbp", "--contrast=1e30"], "=1e+30: expected at most 1000"),
        (["--phantom=fbp", "--pixel_size=101"], "=101.0: expected at most 100"),
        (["", "--reference=a"], "argument IMAGES: empty, expected a file or folder"),
        (["a", "--reference=a", "--pixel_size=1", "--png_rescale=0,0"], "slope not 0"),
        (["n" * 300, "--reference=a", "--pixel_size=1"], "File name too long"),
        (["--phantom=fbp", "--size=72"], "--size=72: expected a multiple of 16"),
        (["--phantom=fbp", "--size=48"], "--size=48: expected at least 64"),
        (["--phantom=fbp", "--size=100000000"], "expected at most 4096"),
        (["--phantom=fbp", "--views=10000000000"], "expected at most 65536"),
        (["--phantom=fbp", "--samples=100000000"], "expected at most 10000"),
        (
            ["--phantom=fbp", "--size=4096", "--samples=10000"],
            "up to 1e+10 measured numbers, expected 2.1e+09",
        ),
        (["--phantom=fbp,x", *SMALL], "method 'x': expected one of fbp, tv, "),
        (["--phantom=fbp,fbp", *SMALL], "=fbp,fbp: expected each method once"),
        (["--phantom=", *SMALL], "method '': expected one of fbp, tv, "),
        (
            ["--phantom=sparse-view-ct", "--views=20", *SMALL],
            "20 views: these weights are for 32 to 250",
        ),
    ],
)
def test_a_bad_command_line_is_one_line(
    arguments, message, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, "--output=out") == ExitCode.BAD_INPUT
    found = capsys.readouterr()
    assert found.out == ""
    (line,) = found.err.splitlines()
    assert line.startswith("sisr_jax.trust: error: ")
    assert message in line
    assert not (tmp_path / "out").exists()


def test_nothing_that_could_be_measured_is_no_result(tmp_path, capsys):
    """Air alone: a table of dashes said that it was done."""
    for name in ("images", "references"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "0.npy", np.full((96, 96), -1000, np.float32))
    command = [tmp_path / "images", f"--reference={tmp_path / 'references'}"]
    command += ["--pixel_size=1", f"--output={tmp_path / 'out'}"]
    assert run(*command) == ExitCode.BAD_INPUT
    found = capsys.readouterr()
    assert "nothing of 1 slices could be measured: expected HU" in found.err
    assert found.out == ""
    assert not (tmp_path / "out").exists()


def test_folders_for_results_that_are_refused(folders, tmp_path, capsys):
    common = [folders / "images", f"--reference={folders / 'references'}"]
    common += ["--pixel_size=1"]
    (tmp_path / "file").write_text("mine")
    taken = tmp_path / "taken"
    (taken / "trust.json").mkdir(parents=True)
    for output, message in (
        ("", "argument --output: empty, expected a file or folder"),
        (tmp_path / ("n" * 300), "File name too long"),
        (tmp_path / "file", "a file, expected a folder"),
        (folders / "images" / "out", "where it would count as an image"),
        (folders / "references", "where it would count as an image"),
        (tmp_path / "file" / "out", f"{tmp_path / 'file'} is a file, expected a"),
        (taken, "trust.json: a folder, expected a file"),
    ):
        assert run(*common, f"--output={output}") == ExitCode.BAD_INPUT
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line


def test_a_damaged_file_is_named_before_anything_is_written(folders, tmp_path, capsys):
    images = tmp_path / "images" / "p"
    images.mkdir(parents=True)
    data = (folders / "images" / "p" / "0.npy").read_bytes()
    (images / "0.npy").write_bytes(data[: len(data) // 2])
    code = run(
        images.parent,
        f"--reference={folders / 'references'}",
        "--pixel_size=1",
        f"--output={tmp_path / 'out'}",
    )
    assert code == ExitCode.BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{images / '0.npy'}: " in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StorageError("trust.csv: No space"), ExitCode.STORAGE),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    ],
)
def test_other_endings(error, code, capsys, monkeypatch):
    def end(options):
        raise error

    monkeypatch.setattr(trust, "_run", end)
    assert run() == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sisr_jax.trust: ")


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as caught:
        run("--help")
    assert caught.value.code == 0
    assert "python -m sisr_jax.trust IMAGES --reference=" in capsys.readouterr().out

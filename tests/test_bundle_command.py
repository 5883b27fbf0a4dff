"""The command that makes a bundle of a run, and what other commands make of it."""

import json
import pathlib
import tarfile

import numpy as np
import pytest
from image_files import write_png

from sisr_jax import bundle, enhance
from sisr_jax.config.kept import read_config
from sisr_jax.errors import ExitCode
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.table import Score, write_csv
from sisr_jax.inference import load

ARCHIVE = pathlib.Path(__file__).parent / "checkpoints" / "first_version.tar.xz"


@pytest.fixture
def workdir(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path / "run", filter="data")
    return tmp_path / "run"


def scored(workdir):
    """Scores of the run as its report writes them."""
    protocol = protocol_of(read_config(workdir)).id
    levels = {"Sparse FBP": 20.0, "TV": 25.0, "SRResNet": 27.5}
    scores = [
        Score(method, f"{i}", level + i, 0.9, {"residual": 0.1 * i}, f"p{i}", protocol)
        for method, level in levels.items()
        for i in range(3)
    ]
    path = workdir / "evaluation" / "step_2" / "per_image.csv"
    path.parent.mkdir(parents=True)
    write_csv(path, scores)
    return protocol


def run(*arguments):
    return bundle.main([str(each) for each in arguments])


def test_a_run_becomes_a_bundle_with_its_scores(workdir, tmp_path, capsys):
    protocol = scored(workdir)
    assert run(workdir, tmp_path / "b") == ExitCode.DONE
    assert f"step 2, {protocol}: " in capsys.readouterr().out
    card = json.loads((tmp_path / "b" / "card.json").read_text())
    assert card["protocol"] == protocol
    assert card["step"] == 2
    [line] = card["scores"]
    assert line["method"] == "SRResNet"
    assert (line["images"], line["patients"]) == (3, 3)
    assert line["psnr"] == 28.5
    assert line["residual"] == 0.1
    assert line["psnr_95"][0] <= 28.5 <= line["psnr_95"][1]
    assert (line["against"], line["gain_db"]) == ("TV", 2.5)
    found, expected = load(tmp_path / "b"), load(workdir)
    image = np.random.default_rng(0).random((32, 32), np.float32)
    np.testing.assert_array_equal(found(image), expected(image))
    # Again: not without being told.
    assert run(workdir, tmp_path / "b") == ExitCode.BAD_INPUT
    assert "is there; --overwrite replaces it" in capsys.readouterr().err
    assert run(workdir, tmp_path / "b", "--overwrite") == ExitCode.DONE


def test_a_run_without_scores_has_none(workdir, tmp_path):
    assert run(workdir, tmp_path / "b") == ExitCode.DONE
    assert "scores" not in load(tmp_path / "b").card


def test_what_is_refused_is_one_line(workdir, tmp_path, capsys):
    there = workdir / "config.json"
    for source, target, message in (
        (tmp_path / "none", tmp_path / "b", "expected one of 'scan-line-ultra"),
        ("sparse-view-ct", tmp_path / "b", "expected the working folder of a run"),
        (workdir, workdir, "holds 'checkpoints', expected a new folder"),
        (workdir, "s3://b/x", "expected a local folder or gs://"),
        (workdir, there / "b", f"{there} is a file, expected a folder"),
        (workdir, "--nothing", "the following arguments are required: OUT"),
    ):
        assert run(source, target) == ExitCode.BAD_INPUT
        error = capsys.readouterr().err
        assert error.startswith("sisr_jax.bundle: error: ")
        assert message in error
        assert error.count("\n") == 1
        assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", '{"model_type": "another"}'),
        ("config.json", "no JSON"),
        ("card.json", "{}"),
        ("weights.safetensors", "mine"),
    ],
)
def test_files_of_another_program_are_not_replaced(
    workdir, tmp_path, capsys, name, text
):
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / name
    path.write_text(text)
    assert run(workdir, tmp_path / "mine", "--overwrite") == ExitCode.BAD_INPUT
    assert f"holds {name!r}, which no bundle has" in capsys.readouterr().err
    assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["card.json", "config.json"])
def test_what_is_left_of_a_bundle_is_replaced(workdir, tmp_path, name):
    assert run(workdir, tmp_path / "b") == ExitCode.DONE
    (tmp_path / "b" / name).write_bytes(b"")
    assert run(workdir, tmp_path / "b", "--overwrite") == ExitCode.DONE
    assert load(tmp_path / "b").card["step"] == 2


def test_a_table_with_gaps_has_means_of_what_is_there(workdir, tmp_path):
    protocol = protocol_of(read_config(workdir)).id
    lines = ["method,image,psnr,ssim,residual,patient,protocol"]
    lines += [
        f"SRResNet,{image},20,0.9,{residual},p,{protocol}"
        for image, residual in enumerate(("", "0.5", ""))
    ]
    path = workdir / "evaluation" / "step_2" / "per_image.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n")
    assert run(workdir, tmp_path / "b") == ExitCode.DONE
    card = json.loads((tmp_path / "b" / "card.json").read_text())
    assert card["scores"][0]["residual"] == 0.5


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(28, "No space left on device"), ExitCode.STORAGE),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (KeyError("x"), ExitCode.MISTAKE),
    ],
)
def test_other_ends(workdir, tmp_path, capsys, monkeypatch, error, code):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("sisr_jax.inference.bundle.write_weights", fail)
    assert run(workdir, tmp_path / "b") == code
    text = capsys.readouterr().err
    assert ("Traceback" in text) == (code == ExitCode.MISTAKE)
    assert not (tmp_path / "b").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_help_tells_flags_and_an_example(capsys):
    with pytest.raises(SystemExit) as caught:
        run("--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for word in ("--overwrite", "RUN", "OUT", "python -m sisr_jax.bundle runs/"):
        assert word in text


def test_a_bundle_enhances_complete_and_degraded_slices(workdir, tmp_path, capsys):
    assert run(workdir, tmp_path / "b") == 0
    config = load(workdir).config
    factor = config.degradation.factor
    stored = (np.random.default_rng(0).uniform(-900, 900, (30, 32)) + 32768).round()
    path = write_png(tmp_path / "a.png", stored.astype(np.uint16))
    model = f"--model={tmp_path / 'b'}"

    def restore(*arguments):
        return enhance.main([*map(str, arguments), model])

    assert restore(path, tmp_path / "c.npy", f"--simulate={factor}") == 0
    assert "dB on the mean" in capsys.readouterr().out
    assert np.load(tmp_path / "c.npy").shape == (30, 32)
    # Degraded slices of any size, too.
    image = (stored[:29] - 32768 + 1000) / 2000
    odd = write_png(tmp_path / "s.png", stored.astype(np.uint16)[:29])
    assert restore(odd, tmp_path / "s.npy") == 0
    expected = load(workdir)(image.astype(np.float32))
    found = (np.load(tmp_path / "s.npy") + 1000) / 2000
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # Another sampling than that of the training.
    assert restore(path, tmp_path / "d.npy", "--simulate=2") == 2
    assert "views: these weights are for" in capsys.readouterr().err

"""The whole path on `:quicktest`: train, resume, evaluate, and the bad inputs."""

import collections
import csv
import dataclasses
import json
import math
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import processes
import pydicom
import pytest
from etils import epath
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from trees import same

from sisr_jax.checkpoints.restore import CheckpointReader
from sisr_jax.config.kept import read_config
from sisr_jax.data.sources import open_source
from sisr_jax.data.transforms import to_unit_range
from sisr_jax.errors import InputError
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.metrics import psnr
from sisr_jax.run.loop import train
from sisr_jax.run.prepare import first_state, open_checkpoints, prepare
from sisr_jax.run.report import report
from sisr_jax.train import steps

ROOT = pathlib.Path(__file__).parents[1]


def _run(config, workdir):
    workdir = epath.Path(workdir)
    return train(prepare(config, workdir)), report(config, workdir)


@pytest.fixture(scope="module", params=["ct", "us"])
def finished(request, load_config, tmp_path_factory):
    config = load_config(f"{request.param}_srgan")
    workdir = epath.Path(tmp_path_factory.mktemp(request.param))
    traces = collections.Counter()
    with pytest.MonkeyPatch.context() as patch:
        for name, step in steps.STEPS.items():
            patch.setitem(steps.STEPS, name, _counted(name, step, traces))
        state, text = _run(config, workdir)
    assert traces == {"generator": 1, "discriminator": 1, "adversarial": 1}
    return config, workdir, state, text


def _counted(name, step, traces):
    """Python runs a compiled step only while it is traced."""

    def count(*arguments):
        traces[name] += 1
        return step(*arguments)

    return count


def test_run_leaves_what_it_promises(finished):
    config, workdir, state, text = finished
    assert int(state.step) == 8
    for name in ("config.json", "versions.json", "parameters.txt", "metrics.jsonl"):
        assert (workdir / name).exists(), name
    assert list((workdir / "tensorboard").iterdir())
    assert (workdir / "evaluation" / "step_8" / "figure.png").stat().length > 5_000
    for row in ("SRResNet", "SRGAN", "PSNR", "SSIM", str(workdir / "checkpoints")):
        assert row in text, row
    assert ("Sparse FBP" in text) == (config.degradation.kind == "sparse_view_ct")


def test_every_step_is_recorded_with_finite_losses(finished):
    _, workdir, _, _ = finished
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    training = [r for r in records if "train/psnr" in r]
    assert [r["step"] for r in training] == list(range(1, 9))
    for record in training:
        losses = [v for k, v in record.items() if k.startswith("loss/")]
        assert losses
        assert all(math.isfinite(v) for v in losses)
        assert record["skipped/total"] == 0
    assert [r["step"] for r in records if "eval/psnr" in r] == [3, 4, 5, 8]


def test_every_number_of_an_evaluation_carries_its_protocol(finished):
    config, workdir, _, text = finished
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    evaluated = [r for r in records if "eval/psnr" in r]
    assert evaluated
    name = protocol_of(config).id
    for record in evaluated:
        assert record["protocol"] == name
        assert record["baseline/psnr"] == evaluated[0]["baseline/psnr"]
    assert name in text
    folder = workdir / "evaluation" / "step_8"
    assert name in (folder / "table.md").read_text()
    for table in ("table.csv", "per_image.csv"):
        with (folder / table).open() as file:
            assert {row["protocol"] for row in csv.DictReader(file)} == {name}


def test_table_is_the_mean_of_the_images(finished):
    config, workdir, _, text = finished
    with (workdir / "evaluation" / "step_8" / "per_image.csv").open() as file:
        rows = list(csv.DictReader(file))
    methods = {row["method"] for row in rows}
    assert {"SRResNet", "SRGAN"} < methods
    for method in methods:
        values = [float(row["psnr"]) for row in rows if row["method"] == method]
        assert len(values) == config.data.num_phantoms[2]
        assert f"{np.mean(values):.2f}" in text


def test_running_again_changes_nothing(finished):
    config, workdir, state, _ = finished
    before = (workdir / "metrics.jsonl").read_text()
    again, _ = _run(config, workdir)
    assert (workdir / "metrics.jsonl").read_text() == before
    for a, b in zip(
        jax.tree.leaves(state.generator), jax.tree.leaves(again.generator), strict=True
    ):
        assert np.array_equal(a, b)


def test_checkpoints_kept_are_the_last_the_best_and_the_borders(finished):
    config, workdir, _, _ = finished
    reader = CheckpointReader(workdir)
    kept = reader.steps()
    reader.close()
    assert {0, 3, 5, 8} <= set(kept)
    assert len(kept) <= 4 + config.checkpoint.keep_last + 1


def test_another_configuration_is_refused_and_nothing_is_touched(finished, load_config):
    config, workdir, _, _ = finished
    kind = "ct" if config.degradation.kind == "sparse_view_ct" else "us"
    before = (workdir / "config.json").read_text()
    other = load_config(f"{kind}_srgan", seed=7, loss__pixel="mse")
    with pytest.raises(InputError, match=r"holds another configuration.*loss\.pixel"):
        prepare(other, workdir)
    assert (workdir / "config.json").read_text() == before
    prepare(load_config(f"{kind}_srgan", log__every_steps=3), workdir).lock.release()


def test_a_finished_run_goes_on_for_longer(finished, load_config, tmp_path):
    config, workdir, _, _ = finished
    shutil.copytree(workdir, tmp_path / "longer")
    kind = "ct" if config.degradation.kind == "sparse_view_ct" else "us"
    longer = load_config(f"{kind}_srgan", phases__adversarial=5, log__every_steps=2)
    state, text = _run(longer, tmp_path / "longer")
    assert int(state.step) == 10
    assert "SRGAN" in text
    lines = (tmp_path / "longer" / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines if "train/psnr" in line]
    assert steps == [*range(1, 9), 10]
    assert (tmp_path / "longer" / "evaluation" / "step_10").is_dir()


def test_a_run_is_scored_on_other_images(finished):
    config, workdir, _, text = finished
    data = dataclasses.replace(config.data, num_phantoms=(8, 3, 5))
    other = report(dataclasses.replace(config, data=data), workdir)
    assert "test split" in other
    other_split = report(config, workdir, "validation")
    assert "validation split" in other_split
    folders = {path.name: path for path in (workdir / "evaluation").iterdir()}
    (place,) = folders.keys() - {"step_8", "step_8_validation"}
    assert place.startswith("step_8_")
    for name, count in ("step_8", 3), ("step_8_validation", 3), (place, 5):
        with (folders[name] / "per_image.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["method"] == "SRGAN"]
        assert len(rows) == count
    assert report(config, workdir) == text  # its own scores are as they were


@pytest.mark.parametrize(
    ("generator", "discriminator"), [(True, False), (False, True), (True, True)]
)
def test_pretrained_weights_each_alone_or_both(
    finished, load_config, tmp_path, generator, discriminator
):
    config, workdir, state, _ = finished
    run = prepare(
        _follow_up(
            load_config,
            config,
            init__generator=str(workdir) if generator else "",
            init__discriminator=str(workdir) if discriminator else "",
        ),
        epath.Path(tmp_path),
    )
    checkpointer = open_checkpoints(run)
    start, is_resumed = first_state(run, checkpointer)
    checkpointer.close()
    assert not is_resumed
    took_generator = same(start.generator.params, state.generator_ema)
    took_discriminator = same(start.discriminator.params, state.discriminator.params)
    assert (took_generator, took_discriminator) == (generator, discriminator)
    assert same(start.generator_ema, start.generator.params)


def test_run_from_pretrained_weights_compares_with_them(
    finished, load_config, tmp_path
):
    config, workdir, _, _ = finished
    follow_up = _follow_up(load_config, config, init__generator=str(workdir))
    state, text = _run(follow_up, tmp_path)
    assert int(state.step) == 1
    assert "SRResNet" in text
    assert "SRGAN" in text
    kept = [step for step in (0, 1) if (tmp_path / f"checkpoints/{step}").is_dir()]
    assert kept == [0, 1]


def _follow_up(load_config, config, **init):
    kind = "ct" if config.degradation.kind == "sparse_view_ct" else "us"
    return load_config(
        f"{kind}_srgan",
        seed=5,
        phases__generator=0,
        phases__discriminator=0,
        phases__adversarial=1,
        **init,
    )


def test_weights_of_another_architecture_name_the_leaf(finished, load_config, tmp_path):
    config, workdir, _, _ = finished
    kind = "ct" if config.degradation.kind == "sparse_view_ct" else "us"
    other = load_config(
        f"{kind}_srgan", generator__width=16, init__generator=str(workdir)
    )
    with pytest.raises(
        InputError, match=r"init\.generator.*leaf .*\(8,\) there and \(16,\)"
    ):
        prepare(other, epath.Path(tmp_path / "new"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__batch_size": 6}, r"data\.batch_size = 6: must be a multiple of the 4"),
        ({"init__generator": "nowhere"}, r"init\.generator = 'nowhere': there is no"),
        (
            {f"phases__{p}": 0 for p in ("generator", "discriminator", "adversarial")},
            r"config\.phases: expected at least one step",
        ),
    ],
)
def test_bad_input_before_anything_is_written(load_config, tmp_path, changes, message):
    workdir = epath.Path(tmp_path / "run")
    with pytest.raises(InputError, match=message):
        prepare(load_config("ct_srgan", **changes), workdir)
    assert not (workdir / "checkpoints").exists()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            np.full((32, 32), np.nan, np.float32),
            r"bad\.npz: 1024 of 1024 pixels are NaN",
        ),
        (np.zeros((16, 16), np.float32), r"bad\.npz.*16"),
        (None, r"bad\.npz"),
    ],
)
def test_one_bad_file_is_named_before_anything_is_written(
    load_config, tmp_path, image, message
):
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(40):
        pixels = rng.normal(0, 300, (32, 32)).astype(np.float32)
        np.savez(folder / f"patient{i}__0.npz", image=pixels)
    if image is None:
        (folder / "bad.npz").write_bytes(b"PK\x03\x04 cut off")
    else:
        np.savez(folder / "bad.npz", image=image)
    config = load_config("ct_srgan", data__source="folder", data__path=str(folder))
    with pytest.raises(InputError, match=message):
        prepare(config, epath.Path(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    (folder / "bad.npz").unlink()
    prepare(config, epath.Path(tmp_path / "run"))


def test_unwritable_workdir(load_config, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="writing failed: Not a directory"):
        prepare(load_config("ct_srgan"), epath.Path(tmp_path / "file" / "run"))


def test_interrupted_and_damaged_checkpoints_are_passed_over(
    load_config, tmp_path, caplog
):
    config = load_config(
        "us_srgan",
        phases__generator=2,
        phases__discriminator=0,
        phases__adversarial=0,
        checkpoint__every_steps=1,
        checkpoint__keep_last=3,
    )
    workdir = epath.Path(tmp_path)
    state, _ = _run(config, workdir)
    (workdir / "checkpoints" / "3.orbax-checkpoint-tmp").mkdir()
    for path in (tmp_path / "checkpoints" / "2" / "generator").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again, _ = _run(config, workdir)
    assert "an interrupted save, not used" in caplog.text
    assert "cannot be read" in caplog.text
    assert len(list((workdir / "damaged_checkpoints").iterdir())) == 1
    assert same(state.generator, again.generator)


def _command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "sisr_jax.main", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def _error_of(found):
    """The one line, without what it begins with."""
    (line,) = processes.error_lines(found.stderr)
    assert line.startswith("sisr_jax: error: ")
    return line.removeprefix("sisr_jax: error: ")


def test_command_line_errors_are_one_line(tmp_path):
    found = _command(
        "--config=configs/us_srgan.py:quicktest",
        "--config.degradation.factor=3",
        f"--workdir={tmp_path / 'run'}",
    )
    assert found.returncode == 2
    assert _error_of(found) == "config.degradation.factor = 3: expected a power of two"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config=configs/nowhere.py"], "nowhere.py"),
        (["--config=configs/ct_srgan.py", "--config.data.sorce=x"], "unknown key"),
        ([], "--config is required to train"),
    ],
)
def test_bad_config_flag_is_one_line(tmp_path, arguments, message):
    found = _command(*arguments, f"--workdir={tmp_path / 'run'}")
    assert found.returncode == 2
    assert message in _error_of(found)


def test_no_header_value_reaches_the_users_log(tmp_path):
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.set_pixel_data(np.zeros((16, 16), np.int16), "MONOCHROME2", 16)
    # No UID: reading it logs and warns with the value.
    unchecked = {"validation_mode": pydicom.config.IGNORE}
    dataset.add(pydicom.DataElement(0x0020000E, "UI", "SECRET^NAME", **unchecked))
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = "1.2.3"
    for i in range(40):
        dataset.save_as(tmp_path / f"{i}.dcm", enforce_file_format=True)
    found = _command(
        *("--config=configs/ct_srgan.py:quicktest", f"--workdir={tmp_path / 'run'}"),
        *("--config.data.source=folder", f"--config.data.path={tmp_path}"),
    )
    assert "expected 32x32" in _error_of(found)
    assert "SECRET" not in found.stderr + found.stdout


def test_command_evaluates_a_working_folder(finished):
    _, workdir, _, text = finished
    found = _command("--mode=evaluate", f"--workdir={workdir}")
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == text.strip()


def test_command_evaluates_other_images(finished, tmp_path):
    _, workdir, _, _ = finished
    before = _written(workdir)
    found = _command(
        *("--mode=evaluate", f"--workdir={workdir}", "--split=validation"),
        *("--save_images", "--config.data.num_phantoms=(8, 2, 3)"),
        f"--output={tmp_path / 'scores'}",
    )
    assert found.returncode == 0, found.stderr
    assert "validation split" in found.stdout
    assert _written(workdir) == before
    (folder,) = (tmp_path / "scores").glob("step_8_validation_*")
    # Whose the rest is, whenever a kill comes.
    assert min(_written(folder).items(), key=lambda file: file[1])[0].name == "run.json"
    with (folder / "table.csv").open() as file:
        assert {row["images"] for row in csv.DictReader(file)} == {"2"}
    _check_saved_images(workdir, folder)


def _written(folder):
    paths = pathlib.Path(folder).rglob("*")
    return {path: path.stat().st_mtime_ns for path in paths}


def _check_saved_images(workdir, folder):
    """They are what the scores are of, in the units of the window."""
    config = read_config(epath.Path(workdir))
    data = dataclasses.replace(config.data, num_phantoms=(8, 2, 3))
    source = open_source(data, "validation", seed=config.seed)
    with (folder / "per_image.csv").open() as file:
        scores = [row for row in csv.DictReader(file) if row["method"] == "SRGAN"]
    paths = sorted((folder / "images").glob("*_SRGAN.npy"))
    assert len(paths) == len(scores) == 2
    for index, (path, score) in enumerate(zip(paths, scores, strict=True)):
        estimate, hr = (
            to_unit_range(image, data.window)[None, ..., None]
            for image in (np.load(path), source[index])
        )
        assert float(psnr(estimate, hr)[0]) == pytest.approx(
            float(score["psnr"]), abs=1e-3
        )


def test_a_finished_run_is_extended(finished, tmp_path):
    """To ten steps, once: the same command again has nothing left to do."""
    config, workdir, _, _ = finished
    longer = tmp_path / "longer"
    shutil.copytree(workdir, longer)
    for _ in range(2):
        found = _command(f"--workdir={longer}", "--extend=10")
        assert found.returncode == 0, found.stderr
        assert "scoring" in found.stderr
    kept = json.loads((longer / "config.json").read_text())
    steps_of = kept["phases"]
    assert sum(steps_of.values()) == 10
    assert steps_of["adversarial"] == config.phases.adversarial + 2
    assert (longer / "evaluation" / "step_10").is_dir()
    assert (longer / "evaluation" / "step_8").is_dir()


CHANGES = [
    (["--mode=evaluate", "--config.loss.pixel=mse"], "in an evaluation only data"),
    (["--mode=evaluate", "--config.sed=1"], "config.sed: unknown key"),
    (["--config.seed=1"], "holds another configuration's run: config.seed = 0 there"),
    (["--split=train"], "--split=train: needs --mode=evaluate"),
    (["--extend=7"], "--extend=7: expected at least the 8 steps of the run"),
    (["--mode=evaluate", "--extend=9"], "--extend=9: needs --mode=train"),
    (["--output=x"], "--output=x: needs --mode=evaluate"),
    (["--mode=evaluate", "--output="], "--output = '': expected a folder"),
]


@pytest.fixture(scope="module")
def changed(finished):
    _, workdir, _, _ = finished
    lines = [[f"--workdir={workdir}", *arguments] for arguments, _ in CHANGES]
    return processes.endings(lines)


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_changes_that_make_it_another_run_are_one_line(changed, number):
    code, (line,) = changed[number]
    assert code == 2
    assert line.startswith("sisr_jax: error: ")
    assert CHANGES[number][1] in line

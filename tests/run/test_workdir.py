"""A working folder belongs to one configuration and remembers what made it."""

import dataclasses
import json
import os

import pytest
from etils import epath

from sisr_jax.config import parse
from sisr_jax.config.kept import read_config
from sisr_jax.errors import InputError
from sisr_jax.run import versions
from sisr_jax.run import workdir as workdirs
from sisr_jax.run.workdir import (
    MAY_CHANGE_IN_EVALUATION,
    MAY_CHANGE_ON_RESUME,
    evaluation_folder,
    note_run,
)

IMAGES = {"train": "1" * 64, "validation": "2" * 64, "test": "3" * 64}


@pytest.fixture
def workdir(tmp_path):
    return epath.Path(tmp_path / "run")


def _claim(workdir, config, **images):
    return workdirs.claim(workdir, config, IMAGES | images)


def test_what_began_the_run_is_written_and_read_back(workdir, load_config):
    config = load_config("ct_srgan")
    lock = _claim(workdir, config)
    assert read_config(workdir) == config
    found = json.loads((workdir / "versions.json").read_text())
    assert found == versions.versions()
    assert {"python", "jax", "flax", "orbax-checkpoint"} <= found.keys()
    assert json.loads((workdir / "images.json").read_text()) == IMAGES
    assert (workdir / "lock.json").exists()
    lock.release()
    names = [path.name for path in workdir.iterdir()]
    assert sorted(names) == ["config.json", "images.json", "versions.json"]


def test_other_versions_are_a_warning_and_the_first_ones_stay(
    workdir, load_config, monkeypatch, caplog
):
    config = load_config("ct_srgan")
    _claim(workdir, config)
    monkeypatch.setattr(versions, "versions", lambda: {"jax": "99.0"})
    first = (workdir / "versions.json").read_text()
    _claim(workdir, config)
    assert (workdir / "versions.json").read_text() == first
    assert "jax" in caplog.text
    assert "99.0" in caplog.text


def test_what_a_folder_says_of_versions_is_escaped(workdir, load_config, caplog):
    config = load_config("ct_srgan")
    _claim(workdir, config)
    text = '{"jax": "\\u001b[2J", "\\n": "\\ud800", "a": "%s"}' % ("x" * 500)
    (workdir / "versions.json").write_text(text)
    _claim(workdir, config)
    assert len(caplog.messages) > 3
    assert all(line.isprintable() for line in caplog.messages)
    assert max(map(len, caplog.messages)) < 400


def test_versions_of_nothing_that_is_here_are_no_warning(workdir, load_config, caplog):
    config = load_config("ct_srgan")
    _claim(workdir, config)
    there = versions.versions() | {f"name{i}": "1" for i in range(20_000)}
    (workdir / "versions.json").write_text(json.dumps(there))
    caplog.clear()
    _claim(workdir, config)
    assert not caplog.messages


def test_at_most_three_differences_are_listed_with_what_may_differ(
    workdir, load_config
):
    _claim(workdir, load_config("ct_srgan"))
    other = load_config("us_srgan")
    message = (
        r"holds another.*\(and \d+ more\); only paths, threads, devices \(mesh\), log, "
        "checkpoint, evaluation and safety may change, and the last phase may become"
    )
    with pytest.raises(InputError, match=message):
        _claim(workdir, other)


CHANGES = {
    "config.data.path": {"data__path": "elsewhere"},
    "config.data.splits_csv": {"data__splits_csv": "elsewhere.csv"},
    "config.data.num_threads": {"data__num_threads": 5},
    "config.checkpoint.": {"checkpoint__keep_last": 9},
    "config.evaluation.": {"evaluation__every_steps": 9},
    "config.init.": {"init__generator": "elsewhere"},
    "config.log.": {"log__every_steps": 7},
    "config.mesh.": {"mesh__model": 2},
    "config.safety.": {"safety__saturated_records": 9},
    "config.data.": {"data__window": (-500.0, 500.0)},
    "config.degradation.": {"degradation__factor": 8},
    "config.seed": {"seed": 5},
}
FOLDER = {
    "data__source": "folder",
    "data__path": "here",
    "discriminator__head": "dense",
}


@pytest.mark.parametrize("key", CHANGES)
def test_what_may_change_on_resume_and_in_evaluation(workdir, load_config, key):
    _claim(workdir, load_config("ct_srgan", **FOLDER))
    other = load_config("ct_srgan", **FOLDER | CHANGES[key])
    workdirs.check_same(workdir, other, MAY_CHANGE_IN_EVALUATION)
    if key in MAY_CHANGE_ON_RESUME:
        _claim(workdir, other)
        assert read_config(workdir) == other
    else:
        with pytest.raises(InputError, match="holds another configuration's run"):
            _claim(workdir, other)


def test_every_rule_is_tested():
    assert CHANGES.keys() == set(MAY_CHANGE_IN_EVALUATION)


@pytest.mark.parametrize(
    "change",
    [{"loss__pixel": "mse"}, {"generator__width": 16}, {"compute_dtype": "bfloat16"}],
)
def test_what_makes_it_another_network_never_changes(workdir, load_config, change):
    _claim(workdir, load_config("ct_srgan"))
    other = load_config("ct_srgan", **change)
    message = "in an evaluation only data, degradation, seed and what may change on"
    with pytest.raises(InputError, match=message):
        workdirs.check_same(workdir, other, MAY_CHANGE_IN_EVALUATION)


def _phases(*steps):
    names = ("generator", "discriminator", "adversarial")
    return {f"phases__{name}": n for name, n in zip(names, steps, strict=True)}


@pytest.mark.parametrize(
    ("before", "after", "is_allowed"),
    [
        ((3, 2, 3), (3, 2, 9), True),
        ((3, 0, 0), (8, 0, 0), True),
        ((3, 0, 0), (3, 2, 0), True),
        ((3, 0, 0), (5, 2, 3), True),
        ((3, 2, 3), (3, 2, 2), False),
        ((3, 2, 3), (4, 2, 3), False),
        ((3, 2, 3), (3, 3, 3), False),
        ((0, 2, 3), (3, 2, 3), False),
        ((3, 0, 3), (3, 2, 3), False),
        ((3, 2, 0), (3, 0, 2), False),
    ],
)
def test_the_last_phase_may_become_longer(
    workdir, load_config, before, after, is_allowed, caplog
):
    _claim(workdir, load_config("ct_srgan", **_phases(*before)))
    longer = load_config("ct_srgan", **_phases(*after))
    if is_allowed:
        _claim(workdir, longer)
        assert read_config(workdir) == longer
        assert "here: a longer run" in caplog.text
    else:
        with pytest.raises(InputError, match=r"config\.phases\."):
            _claim(workdir, longer)


def test_other_images_to_train_on_are_refused_until_they_are_accepted(
    workdir, load_config, caplog
):
    config = load_config("ct_srgan", **FOLDER)
    _claim(workdir, config)
    # The same images at another place.
    _claim(workdir, load_config("ct_srgan", **FOLDER | {"data__path": "elsewhere"}))
    with pytest.raises(InputError, match=r"images\.json: the run began with other im"):
        _claim(workdir, config, train="9" * 64)
    assert not caplog.messages
    _claim(workdir, config, test="9" * 64)
    (line,) = caplog.messages
    assert "other images in its test split" in line
    (workdir / "images.json").unlink()
    _claim(workdir, config, train="9" * 64)
    _claim(workdir, config, train="9" * 64)


def test_scores_on_other_images_have_another_place(workdir, load_config):
    config = load_config("ct_srgan")
    _claim(workdir, config)
    folder = workdir / "evaluation"

    def place(config, split="test", images=None):
        images = images or IMAGES[split]
        return workdirs.evaluation_folder(workdir, 8, config, split, images)

    assert place(config) == folder / "step_8"
    assert place(config, "validation") == folder / "step_8_validation"
    moved = dataclasses.replace(config.data, path="elsewhere")
    assert place(dataclasses.replace(config, data=moved)) == folder / "step_8"
    others = [
        place(config, images="9" * 64),
        place(load_config("ct_srgan", degradation__factor=8)),
        place(load_config("ct_srgan", seed=3)),
        place(load_config("ct_srgan", data__num_phantoms=(8, 3, 9))),
    ]
    assert len({str(each) for each in others}) == 4
    assert all(each.name.startswith("step_8_") for each in others)
    (workdir / "images.json").unlink()  # a run from before it was written
    assert place(config, images="9" * 64) == folder / "step_8"


def test_scores_that_could_not_be_written_are_not_computed(workdir, load_config):
    config = load_config("ct_srgan")
    _claim(workdir, config)
    (workdir / "evaluation").write_text("a file")
    about = workdir, 8, config, "test", IMAGES["test"]
    with pytest.raises(
        InputError, match=r"evaluation is a file, expected a folder; .* --output=FOLDER"
    ):
        workdirs.evaluation_folder(*about)
    elsewhere = workdir.parent / "scores"
    place = workdirs.evaluation_folder(*about, output=elsewhere)
    assert place == elsewhere / "step_8"
    elsewhere.write_text("a file")
    with pytest.raises(InputError, match=r"^--output .*scores is a file, expected a f"):
        workdirs.evaluation_folder(*about, output=elsewhere)


def test_scores_of_another_run_are_not_replaced(workdir, load_config):
    """Both are of step 8 and the test split: the second took the first one's place."""
    elsewhere, other = workdir.parent / "scores", workdir.parent / "other"
    moved = workdir.parent / "moved"
    config, wide = load_config("ct_srgan"), load_config("ct_srgan", seed=3)
    paths = dataclasses.replace(config.data, num_threads=1)
    for folder, each in (
        (workdir, config),
        (other, wide),
        (moved, dataclasses.replace(config, data=paths)),
    ):
        _claim(folder, each)
    place = workdirs.evaluation_folder(
        workdir, 8, config, "test", IMAGES["test"], output=elsewhere
    )
    place.mkdir(parents=True)
    workdirs.note_run(place, workdir)
    for same in (workdir, moved):
        assert place == workdirs.evaluation_folder(
            same, 8, read_config(same), "test", IMAGES["test"], output=elsewhere
        )
    with pytest.raises(InputError, match=r"step_8 has the scores of another run"):
        workdirs.evaluation_folder(
            other, 8, wide, "test", IMAGES["test"], output=elsewhere
        )


def test_files_of_nobody_are_no_scores_to_replace(workdir, load_config):
    """A table of somebody's own, or what an older version or a kill has left."""
    elsewhere, config = workdir.parent / "scores", load_config("ct_srgan")
    _claim(workdir, config)
    about = workdir, 8, config, "test", IMAGES["test"]
    (elsewhere / "step_8").mkdir(parents=True)  # of nothing, nothing is lost
    place = workdirs.evaluation_folder(*about, output=elsewhere)
    (place / "table.csv").write_text("mine")
    with pytest.raises(
        InputError, match=r"step_8 holds 'table.csv' and no run\.json .*another folder$"
    ):
        workdirs.evaluation_folder(*about, output=elsewhere)
    workdirs.note_run(place, workdir)
    assert workdirs.evaluation_folder(*about, output=elsewhere) == place


def test_checkpoints_without_a_configuration_are_refused(workdir, load_config):
    (workdir / "checkpoints").mkdir(parents=True)
    with pytest.raises(InputError, match=r"has checkpoints but no config\.json"):
        _claim(workdir, load_config("ct_srgan"))
    assert [path.name for path in workdir.iterdir()] == ["checkpoints"]


DEEP = "[" * 100_000


@pytest.mark.parametrize("name", ["config", "versions", "images"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not a JSON file: Expecting property name"),
        (b"", "not a JSON file"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"[]", "a list, expected an object"),
        (b"3", "a int, expected an object"),
        (DEEP.encode(), "not a JSON file: "),
        (f'{{"seed": {DEEP}'.encode(), "not a JSON file: "),
        (b'{"seed": ' + b"9" * 10_000 + b"}", "not a JSON file: "),
        (b'{"seed": 1, "seed": 2}', "not a JSON file: a key is given twice"),
        (b" " * 2**21, "more than 1048576 bytes"),
    ],
)
def test_files_that_are_no_json_are_one_line(
    workdir, load_config, name, content, message
):
    config = load_config("ct_srgan")
    _claim(workdir, config).release()
    before = {path.name: path.read_bytes() for path in workdir.iterdir()}
    (workdir / f"{name}.json").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        _claim(workdir, config)
    assert "\n" not in str(caught.value)
    assert f"{name}.json: " in str(caught.value)
    assert len(str(caught.value)) < 500
    before[f"{name}.json"] = content
    assert before == {path.name: path.read_bytes() for path in workdir.iterdir()}


@pytest.mark.parametrize("name", ["config", "versions", "images", "lock"])
@pytest.mark.parametrize(
    "put",
    [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/null", path)],
    ids=["pipe", "folder", "device"],
)
def test_what_is_no_file_is_neither_waited_for_nor_read(
    workdir, load_config, name, put
):
    config = load_config("ct_srgan")
    _claim(workdir, config).release()
    (workdir / f"{name}.json").unlink(missing_ok=True)
    put(workdir / f"{name}.json")
    with pytest.raises(InputError, match=rf"{name}\.json: a folder, pipe, device or"):
        _claim(workdir, config)


@pytest.mark.parametrize("depth", [100, 900])
def test_a_configuration_that_is_deep_is_one_line(workdir, load_config, depth):
    config = load_config("ct_srgan")
    _claim(workdir, config)
    values = dataclasses.asdict(config) | {"seed": 0}
    text = json.dumps(values).replace(
        '"seed": 0', '"seed": ' + "[" * depth + "]" * depth
    )
    (workdir / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json: not of this version: ") as e:
        read_config(workdir)
    assert len(str(e.value)) < 500


def test_a_missing_configuration(workdir):
    workdir.mkdir()
    with pytest.raises(InputError, match=r"reading config\.json failed: No such file"):
        read_config(workdir)


def test_a_folder_of_another_version_is_told_with_the_file_and_the_key(
    workdir, load_config
):
    """Its checkpoints lack what the key brought, so it must not come to reading."""
    config = load_config("ct_srgan")
    _claim(workdir, config)
    path = workdir / "config.json"
    values = json.loads(path.read_text())
    del values["safety"]
    path.write_text(json.dumps(values))
    message = r"config\.json: not of this version: config\.safety: missing$"
    with pytest.raises(InputError, match=message):
        _claim(workdir, config)


def test_what_was_read_is_what_was_written(workdir, load_config):
    config = load_config("us_srgan")
    _claim(workdir, config)
    assert parse(dataclasses.asdict(read_config(workdir))) == config


def test_scores_elsewhere_go_on_after_a_kill(workdir, load_config, tmp_path):
    """Even one that came before the folder says whose it is."""
    config = load_config("ct_srgan")
    _claim(workdir, config).release()

    def folder():
        return evaluation_folder(
            workdir, 8, config, "test", IMAGES["test"], output=epath.Path(tmp_path)
        )

    folder().mkdir()
    (folder() / ".run.json.123.tmp").write_text("{")
    note_run(folder(), workdir)
    (folder() / ".table.csv.123.tmp").write_text("met")
    assert folder() == tmp_path / "step_8"
    (folder() / "run.json").unlink()
    (folder() / ".notes").write_text("somebody's")
    with pytest.raises(InputError, match=r"holds '\.notes' and no run\.json"):
        folder()

"""A working folder belongs to one configuration and remembers what made it."""

import json

import pytest
from etils import epath

from sisr_jax.errors import InputError
from sisr_jax.run import workdir as workdirs


@pytest.fixture
def workdir(tmp_path):
    return epath.Path(tmp_path / "run")


def test_config_and_versions_are_written_and_read_back(workdir, load_config):
    config = load_config("ct_srgan")
    lock = workdirs.claim(workdir, config)
    assert workdirs.read_config(workdir) == config
    found = json.loads((workdir / "versions.json").read_text())
    assert found == workdirs.versions()
    assert {"python", "jax", "flax", "orbax-checkpoint"} <= found.keys()
    assert (workdir / "lock.json").exists()
    lock.release()
    names = [path.name for path in workdir.iterdir()]
    assert sorted(names) == ["config.json", "versions.json"]


def test_other_versions_are_a_warning_and_the_first_ones_stay(
    workdir, load_config, monkeypatch, caplog
):
    config = load_config("ct_srgan")
    workdirs.claim(workdir, config)
    monkeypatch.setattr(workdirs, "versions", lambda: {"jax": "99.0"})
    first = (workdir / "versions.json").read_text()
    workdirs.claim(workdir, config)
    assert (workdir / "versions.json").read_text() == first
    assert "jax" in caplog.text
    assert "99.0" in caplog.text


def test_at_most_three_differences_are_listed(workdir, load_config):
    workdirs.claim(workdir, load_config("ct_srgan"))
    other = load_config("us_srgan")
    with pytest.raises(InputError, match=r"holds another.*\(and \d+ more\)"):
        workdirs.claim(workdir, other)


@pytest.mark.parametrize(
    "change",
    [
        {"log__every_steps": 7},
        {"checkpoint__keep_last": 9},
        {"data__num_threads": 5},
        {"evaluation__equalise_figure": True},
    ],
)
def test_what_is_learned_does_not_depend_on_these(workdir, load_config, change):
    workdirs.claim(workdir, load_config("ct_srgan"))
    workdirs.claim(workdir, load_config("ct_srgan", **change))


def test_checkpoints_without_a_configuration_are_refused(workdir, load_config):
    (workdir / "checkpoints").mkdir(parents=True)
    with pytest.raises(InputError, match=r"has checkpoints but no config\.json"):
        workdirs.claim(workdir, load_config("ct_srgan"))


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, r"reading config\.json failed: No such file"), ("{", "not a JSON file")],
)
def test_unreadable_configuration(workdir, text, message):
    workdir.mkdir()
    if text is not None:
        (workdir / "config.json").write_text(text)
    with pytest.raises(InputError, match=message):
        workdirs.read_config(workdir)


def test_a_folder_of_another_version_is_told_with_the_file_and_the_key(
    workdir, load_config
):
    """Its checkpoints lack what the key brought, so it must not come to reading."""
    config = load_config("ct_srgan")
    workdirs.claim(workdir, config)
    path = workdir / "config.json"
    values = json.loads(path.read_text())
    del values["safety"]
    path.write_text(json.dumps(values))
    message = r"config\.json: not of this version: config\.safety: missing$"
    with pytest.raises(InputError, match=message):
        workdirs.claim(workdir, config)

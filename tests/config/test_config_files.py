"""Configurations by name and by path, beside whatever the user calls `configs`."""

import pathlib
import sys
import types

import pytest

from sisr_jax.config import ConfigError, parse
from sisr_jax.config.files import load, shipped_names

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("name", shipped_names())
def test_a_name_means_the_shipped_file(name):
    by_name = load(f"{name}:quicktest").to_dict()
    assert by_name == load(f"{ROOT}/configs/{name}.py:quicktest").to_dict()
    assert by_name != load(name).to_dict()
    parse(by_name)


def test_a_users_folder_of_the_same_name_is_left_alone(monkeypatch):
    mine, module = types.ModuleType("configs"), types.ModuleType("configs.common")
    monkeypatch.setitem(sys.modules, "configs", mine)
    monkeypatch.setitem(sys.modules, "configs.common", module)
    before = {name for name in sys.modules if name.startswith("configs.")}
    assert load("us_srgan").degradation.kind == "lateral_decimation"
    assert sys.modules["configs"] is mine
    assert sys.modules["configs.common"] is module
    assert {name for name in sys.modules if name.startswith("configs.")} == before


def test_a_users_file_starts_from_a_shipped_one(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from sisr_jax.config.files import load\n"
        "def get_config(seed='1'):\n"
        "    config = load('ct_srgan')\n"
        "    config.seed = int(seed)\n"
        "    return config\n"
    )
    assert load(str(file)).seed == 1
    assert load(f"{file}:7").seed == 7


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("ct_srgn:demo", r"config 'ct_srgn': expected FILE\.py or one of ct_casc"),
        ("common", r"config 'common': expected"),
        ("", r"config '': expected FILE\.py"),
        ("../ct_srgan", r"config '\.\./ct_srgan': expected"),
        ("nowhere.py:demo", r"config 'nowhere\.py': no such file"),
        ("ct_srgan:fast", r"line 23: ValueError: config variant 'fast': expected one"),
    ],
)
def test_what_is_not_there_is_one_line(reference, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load(reference)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = z\n", r"line 2: NameError: name 'z' is not defined"),
        ("def get_config(:\n", r"SyntaxError: .*line 1"),
        ("import nowhere_at_all\n", r"line 1: ModuleNotFoundError: .*nowhere_at_all"),
        ("x = 1\n", r"AttributeError: .*get_config"),
        ("def get_config():\n    return {}['a\\nb']\n", r"line 2: KeyError"),
    ],
)
def test_a_file_that_fails_is_one_line_that_says_where(tmp_path, text, message):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load(str(file))
    assert "\n" not in str(caught.value)
    assert "mine.py" in str(caught.value)

"""What `python -m sisr_jax.config` says of every key."""

import dataclasses
import pathlib
import subprocess
import sys
from typing import Annotated, Literal

import pytest

from sisr_jax.config import DEGRADATIONS, DISCRIMINATORS, GENERATORS
from sisr_jax.config.describe import as_text, keys, meanings
from sisr_jax.config.files import load, shipped_names
from sisr_jax.config.ranges import Range

ROOT = pathlib.Path(__file__).parents[2]


def _flat(values, path="config"):
    if not isinstance(values, dict):
        return {path: values}
    flat = {}
    for key, value in values.items():
        flat |= _flat(value, f"{path}.{key}")
    return flat


@pytest.mark.parametrize("name", shipped_names())
def test_every_key_is_there_with_its_value_type_and_meaning(name):
    values = load(name).to_dict()
    found = keys(values)
    assert {key.path: key.value for key in found} == _flat(values)
    for key in found:
        assert key.kind, key.path
        assert key.meaning.endswith("."), key.path
        assert key.about.endswith("."), key.section


@pytest.mark.parametrize(
    "section",
    [*DEGRADATIONS.values(), *DISCRIMINATORS.values(), *GENERATORS.values()],
)
def test_every_kind_of_section_explains_its_keys(section):
    assert set(meanings(section)) == {
        field.name for field in dataclasses.fields(section)
    }


def test_types_ranges_and_choices_are_in_words():
    kinds = {key.path: key.kind for key in keys(load("ct_srgan").to_dict())}
    assert kinds["config.data.batch_size"] == "int, 1 to 1,048,576"
    assert kinds["config.data.shape"] == "2 values: int, 1 to 65,536"
    assert kinds["config.data.path"] == "text"
    assert kinds["config.augmentation.rotate"] == "true or false"
    assert kinds["config.loss.pixel"].startswith("one of 'mse', ")
    every = "one of 'sparse_view_ct', 'sparse_view_fan_ct', 'lateral_decimation'"
    assert kinds["config.degradation.kind"] == f"{every}, 'beam_decimation'"
    assert kinds["config.compute_dtype"] == "one of 'float32', 'bfloat16'"
    assert kinds["config.evaluation.metrics"].startswith("any number of (one of 'mae'")


@dataclasses.dataclass(frozen=True)
class _Toy:
    """A section.

    More about it.

    Attributes:
        rate: How fast, in steps
            per second: a number.
        shape: `a`, or
            `b`.
    """

    rate: Annotated[float, Range(0, 1)]
    shape: Literal["a", "b"]
    silent: str


def test_meanings_come_from_the_docstring():
    expected = {
        "rate": "How fast, in steps per second: a number.",
        "shape": "`a`, or `b`.",
    }
    assert meanings(_Toy) == expected


def test_text_has_a_heading_for_each_section_and_fits_a_terminal():
    text = as_text(keys(load("us_srgan").to_dict()))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 88
    assert (
        "config.data: Where images come from and the fixed scale they are brought to."
        in lines
    )
    at = lines.index("config.data.batch_size = 8")
    assert lines[at + 1] == "    int, 1 to 1,048,576. Global training batch, in images."


def _command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "sisr_jax.config", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def test_command_explains_the_chosen_keys_as_they_are_set():
    found = _command(
        *(
            "--config=ct_srgan:demo",
            "phases",
            "config.seed",
            "--config.phases.generator=7",
        )
    )
    assert (found.returncode, found.stderr) == (0, "")
    lines = [line for line in found.stdout.splitlines() if line.startswith("config.")]
    assert lines == [
        "config.phases: Steps of each phase, run in this order; 0 leaves a phase out.",
        "config.phases.generator = 7",
        "config.phases.discriminator = 40",
        "config.phases.adversarial = 120",
        "config.seed = 0",
    ]


def test_help_is_no_failure():
    found = _command("--help")
    assert (found.returncode, found.stderr) == (0, "")
    assert "explains all of them" in " ".join(found.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message", "printed"),
    [
        (["seed"], "--config is required, for instance --config=ct_srgan", ""),
        (["--config=ct_srgan", "see"], "config.see: unknown key; without it all", ""),
        (
            ["--config=us_srgan", "seed", "--config.degradation.factor=3"],
            "config.degradation.factor = 3: expected a power of two",
            "config.seed = 0",
        ),
    ],
)
def test_command_says_in_its_last_line_what_is_wrong(arguments, message, printed):
    found = _command(*arguments)
    assert found.returncode == 2
    assert found.stderr.startswith(f"sisr_jax: error: {message}")
    assert found.stderr.count("\n") == 1
    assert printed in found.stdout

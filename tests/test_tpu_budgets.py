"""Budgets of the shipped configurations on TPUs: complete, kept, told in the README."""

import dataclasses
import pathlib

import pytest

from experiments.tpu import check
from sisr_jax.aot import compilation
from sisr_jax.aot.chips import CHIPS
from sisr_jax.aot.measurement import Measured
from sisr_jax.errors import InputError

ROOT = pathlib.Path(__file__).parents[1]


def test_budgets_allow_five_per_cent():
    allowed = {
        "cycles_per_image": 1000,
        "hbm_bytes": 100,
        "collective_bytes": {"all-reduce": 40},
    }
    within = {
        "cycles_per_image": 1050,
        "hbm_bytes": 105,
        "collective_bytes": {"all-reduce": 42},
    }
    assert check.excesses("here", within, allowed) == []
    for key, value in (("cycles_per_image", 1051), ("hbm_bytes", 106)):
        (line,) = check.excesses("here", {**within, key: value}, allowed)
        assert line.startswith(f"here: {key} {value:,} is over")
    new_kind = {**within, "collective_bytes": {"all-gather": 1}}
    (line,) = check.excesses("here", new_kind, allowed)
    assert "all-gather" in line


def test_what_does_not_fit_or_has_no_budget_is_told():
    fits = Measured(name="generator", images=1, compile_seconds=1.0, problem="")
    assert check.compare("here", fits, {}) == ["here generator: has no budget"]
    large = dataclasses.replace(fits, problem="Used 20.13G of 15.75G hbm")
    (line,) = check.compare("here", large, {"generator": check.budget_of(fits)})
    assert line == "here generator: Used 20.13G of 15.75G hbm"


CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("??_*.py"))
SMALLEST = {"v4": "1x1x1", "v5e": "1x1", "v5p": "1x1x1", "v6e": "1x1"}


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("config", CONFIGS)
def test_the_smallest_topology_of_each_chip_has_budgets(config, chip):
    name, topology = f"{config}:quicktest", f"{chip}:{SMALLEST[chip]}"
    found = [
        case[2] for case in check.cases_of([name], None, None) if case[1] == topology
    ]
    assert sorted(found) == sorted(compilation.program_names(check.load_config(name)))


def test_the_check_covers_what_has_a_budget_and_is_small():
    budgets = check.read_budgets()["budgets"]
    for config, topology, name in check.cases_of(None, None, None):
        assert config.endswith(":quicktest")
        assert budgets[f"{config} {topology}"][name]["cycles_per_image"]
    assert check.cases_of(["us_srresnet:quicktest"], ["v5e:1x1"], None) == [
        ("us_srresnet:quicktest", "v5e:1x1", "generator"),
        ("us_srresnet:quicktest", "v5e:1x1", "evaluation"),
    ]


def test_the_table_of_the_readme_is_that_of_the_budgets():
    assert check.table() in (ROOT / "experiments" / "tpu" / "README.md").read_text()


def test_budgets_of_another_compiler_are_refused(monkeypatch):
    monkeypatch.setattr(check, "versions", lambda: {"jax": "1.0", "libtpu": "0.1"})
    with pytest.raises(InputError, match=r"here is .*1\.0.*requirements-aot\.lock"):
        check.check_versions(check.read_budgets()["versions"])

"""Budgets of the shipped configurations on TPUs: complete, kept, told in the README."""

import dataclasses
import pathlib

import pytest

from experiments.tpu import check, networks, scaling
from sisr_jax.aot import compilation
from sisr_jax.aot.chips import CHIPS, parse_topology
from sisr_jax.aot.measurement import Measured
from sisr_jax.aot.program import Traffic
from sisr_jax.errors import InputError

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "experiments" / "tpu" / "README.md"


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


def test_the_full_check_takes_what_is_not_small(monkeypatch):
    budgets = {"ct_srgan v5e:2x4": {"generator": {}}, "ct_srgan:tpu v5e:2x4": {}}
    small = {"ct_srgan:quicktest v5e:1x1": {"generator": {}}}
    monkeypatch.setattr(check, "read_budgets", lambda: {"budgets": budgets | small})
    assert check.full_size() == ["ct_srgan", "ct_srgan:tpu"]
    assert check.cases_of(check.full_size(), None, None) == [
        ("ct_srgan", "v5e:2x4", "generator")
    ]
    monkeypatch.setattr(check, "read_budgets", lambda: {"budgets": small})
    assert check.cases_of(check.full_size(), None, None) == []


def test_a_budget_is_kept_beside_those_that_another_run_sets(monkeypatch, tmp_path):
    monkeypatch.setattr(check, "BUDGETS", tmp_path / "budgets.json")
    check.BUDGETS.write_text('{"budgets": {}}')
    check.keep("a v5e:1x1", "generator", {"cycles_per_image": 1})
    check.keep("a v5e:1x1", "evaluation", {"cycles_per_image": 2})
    assert list(check.read_budgets()["budgets"]["a v5e:1x1"]) == [
        "evaluation",
        "generator",
    ]


@pytest.mark.parametrize(
    "table", [check.table, networks.table, networks.memory_table, scaling.table]
)
def test_the_tables_of_the_readme_are_those_of_the_numbers(table):
    assert table() in README.read_text()


def test_as_many_slices_as_fit(monkeypatch):
    row = {"networks": "a, whole slices", "program": "generator"}
    rows = [
        row | {"slices_per_chip": "8", "hbm_mib": "4100"},
        row | {"slices_per_chip": "2", "hbm_mib": "1100"},
        row | {"networks": "b", "slices_per_chip": "1", "hbm_mib": "1"},
    ]
    monkeypatch.setattr(networks, "read_rows", lambda: rows)
    # 100 MiB, 500 for each slice; 16,128, 32,000 and 98,038 MiB may be used.
    (line,) = networks.memory_table().splitlines()[2:]
    assert line == "| a, whole slices | generator | 100 | 500 | 32 | 63 | 195 |"


@pytest.mark.parametrize("case", networks.CASES)
def test_networks_are_measured_in_bfloat16(case):
    config = networks.configured(networks.CASES[case])
    assert config.compute_dtype == "bfloat16"
    assert networks.CASES[case].phase in compilation.program_names(config)


def test_efficiency_is_what_a_chip_does_of_what_one_does_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(scaling, "ROWS", tmp_path / "scaling.csv")

    def measured(num_bytes):
        return Measured(
            name="adversarial",
            images=32,
            compile_seconds=1.0,
            problem="",
            cycles=10_000_000,
            collectives={"all-reduce": Traffic(2, num_bytes)},
        )

    # 60 MB by both of its links: 2 * 0.75 * 60 MB at 90 GB/s is 1 ms, 1.5 M cycles.
    four = scaling.row_of(parse_topology("v5e:2x2"), measured(60_000_000))
    scaling.write(four)
    scaling.write(scaling.row_of(parse_topology("v5e:1x1"), measured(0)))
    one, four = scaling.read_rows()
    assert (one["chips"], one["efficiency"]) == ("1", "1.0")
    assert (four["crops_per_step"], four["collective_cycles"]) == ("128", "1500000")
    assert float(four["efficiency"]) == pytest.approx(10 / 11.5, abs=1e-4)


def test_more_chips_need_a_larger_batch_and_nothing_else():
    one, many = scaling.configured(1), scaling.configured(256)
    assert many.mesh == one.mesh
    assert many.data.batch_size == 256 * one.data.batch_size
    sizes = {"batch_size": one.data.batch_size}
    assert dataclasses.replace(many.data, **sizes) == one.data


def test_budgets_of_another_compiler_are_refused(monkeypatch):
    monkeypatch.setattr(check, "versions", lambda: {"jax": "1.0", "libtpu": "0.1"})
    with pytest.raises(InputError, match=r"here is .*1\.0.*requirements-aot\.lock"):
        check.check_versions(check.read_budgets()["versions"])

"""What the site is made of is there; `make docs` builds it."""

import pathlib
import posixpath
import re
import sys

import pytest

from docs.generate.pages import PAGES, PICTURES
from docs.generate.tables import csv_table, filled, made, section

DOCS = pathlib.Path(__file__).parents[1] / "docs"
WRITTEN = {path.relative_to(DOCS).as_posix(): path for path in DOCS.rglob("*.md")}
TABLE = "experiments/baselines/table.csv"

page = pytest.mark.parametrize("name", [*WRITTEN, *PAGES])


def text_of(name):
    return WRITTEN[name].read_text() if name in WRITTEN else PAGES[name]()


def test_every_page_is_in_the_navigation_once():
    nav = (DOCS.parent / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    assert sorted(re.findall(r"[\w/]+\.md", nav)) == sorted([*WRITTEN, *PAGES])


@page
def test_links_and_pictures_of_a_page_are_there(name):
    text = re.sub(r"```.*?```", "", text_of(name), flags=re.DOTALL)
    for alt, target in re.findall(r"\[([^]]*)\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        place = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        is_there = place in PAGES or place in PICTURES or (DOCS / place).is_file()
        assert is_there, f"{name}: {target}"
        assert alt, f"{name}: {target} has no text"


@page
def test_tables_of_a_page_are_found(name):
    text = filled(text_of(name))
    assert "\n{csv" not in text
    assert "\n{section" not in text
    assert "\n{made" not in text


def test_pictures_of_experiments_are_there():
    assert all((DOCS.parent / source).is_file() for source in PICTURES.values())


def test_table_has_the_numbers_of_the_file():
    found = csv_table(TABLE, ["method", "psnr"], {"protocol": "physical-us-x4-055a60"})
    assert found.splitlines()[:2] == ["| method | psnr |", "| --- | --- |"]
    assert "| Bicubic (aligned) | 42.92 |" in found


@pytest.mark.parametrize(
    ("columns", "where"), [(["none"], {}), (["psnr"], {"psnr": "x"})]
)
def test_table_that_finds_nothing_is_an_error(columns, where):
    with pytest.raises(ValueError, match=r"table\.csv: no "):
        csv_table(TABLE, columns, where)


def test_section_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="no table below '## Nowhere'"):
        section("experiments/ct_operators/table.md", "## Nowhere")


def test_command_that_prints_no_table_is_an_error(monkeypatch):
    monkeypatch.setattr("sys.argv", ["before"])
    with pytest.raises(ValueError, match="recipes: no table"):
        made("experiments.learned_ct.recipes", [])
    assert sys.argv == ["before"]


def test_reference_of_the_configuration_has_the_keys_of_each_kind():
    text = PAGES["configuration.md"]()
    for expected in (
        "## config.generator of `ct_cascade`",
        "`num_stages`",
        "`photons`",
    ):
        assert expected in text

"""Nothing but the value of a modality knows its name."""

import ast
import pathlib

import pytest

from sisr_jax.config import DEGRADATIONS
from sisr_jax.degradation import MODALITIES

PACKAGE = pathlib.Path(__file__).parents[1] / "sisr_jax"
# The sections of the kinds, and the values themselves.
KNOWING = (
    "config/beams.py",
    "config/degradations.py",
    "config/fan_ct.py",
    "config/history.py",
    "degradation/",
)
NAMES = {*MODALITIES, *(modality.name for modality in MODALITIES.values())}
SECTIONS = {section.__name__ for section in DEGRADATIONS.values()}


def test_every_kind_has_its_modality_and_its_own_short_name():
    assert set(MODALITIES) == set(DEGRADATIONS)
    assert len({modality.name for modality in MODALITIES.values()}) == len(MODALITIES)


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_no_other_place_asks_for_a_modality(path):
    if path.relative_to(PACKAGE).as_posix().startswith(KNOWING):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant):
            assert node.value not in NAMES, f"line {node.lineno}: {node.value!r}"
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            classes = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
            assert not classes & SECTIONS, f"line {node.lineno}"
        if isinstance(node, ast.Compare):
            sides = ast.dump(node)
            assert "attr='modality'" not in sides, f"line {node.lineno}: {sides}"
            assert "attr='degradation'" not in sides or "attr='kind'" not in sides


def test_decibels_are_at_most_zero():
    unit = MODALITIES["lateral_decimation"].unit
    assert [unit(each) for each in ((-60.0, 0.0), (0.0, 1.0))] == ["dB", "levels"]


def test_the_fan_is_what_is_above_a_level_of_the_window():
    above = MODALITIES["lateral_decimation"].mask_above
    grey = above((0.0, 255.0))
    assert 0 < grey < 10
    # Of decibels, the same share of the window above its lower end.
    assert above((-60.0, 0.0)) == pytest.approx(-60 + 60 * grey / 255)

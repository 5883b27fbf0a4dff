"""The page about one restored image."""

import numpy as np
import pytest
from PIL import Image

from sisr_jax.evaluation import restoration
from sisr_jax.evaluation.display import Display, View
from sisr_jax.evaluation.restoration import draw_restoration
from sisr_jax.evaluation.sheet import grey, heat
from sisr_jax.inference.slices import Restoration

HU = Display("HU", View("window", -1000, 1000), (View("soft", -160, 240),))


def page(**changes):
    image = np.random.default_rng(0).uniform(0.4, 0.6, (32, 32))
    values = {
        "first": image - 0.05,
        "image": image,
        "null_space": np.full((32, 32), -0.02),
        "half_width": np.full((32, 32), 0.03),
        "unexplained": np.full((8, 32), 0.004),
        "truth": image + 0.01,
    }
    return Restoration(**values | changes)


@pytest.fixture
def rows_of(monkeypatch, tmp_path):
    """The rows that a page is made of, by their label."""

    def rows(drawn):
        seen = []
        monkeypatch.setattr(
            restoration, "draw_sheet", lambda *arguments, **_: seen.append(arguments[1])
        )
        draw_restoration(tmp_path / "a.png", drawn, display=HU, title="")
        ((block,),) = seen
        return {row.label: row for row in block}

    return rows


def once(panel):
    """A pixel of the image for each square of the panel."""
    return panel[::8, ::8]


def test_images_of_a_row_have_its_window(rows_of):
    drawn = page()
    soft = rows_of(drawn)["soft"]
    for panel, image in zip(
        soft.panels, (drawn.first, drawn.image, drawn.truth, None), strict=True
    ):
        if image is None:
            assert panel is None
        else:
            hu = 2000 * image - 1000
            np.testing.assert_array_equal(once(panel), grey((hu + 160) / 400))
    assert soft.ticks == ["-160 HU", "40 HU", "240 HU"]


def test_maps_have_one_scale_in_physical_units(rows_of):
    size = rows_of(page())["size"]
    levels = [np.unique(panel) for panel in size.panels]
    # Of 100 HU, the largest: 100, 40, 60 and 20.
    assert levels == [heat(np.array([share])) for share in (1.0, 0.4, 0.6, 0.2)]
    assert size.ticks == ["0 HU", "50 HU", "\N{GREATER-THAN OR EQUAL TO} 100 HU"]
    assert [text.rsplit(" ", 1)[1] for text in size.captions] == "100 40 60 20".split()


def test_what_is_not_known_is_left_out(rows_of):
    rows = rows_of(page(truth=None, half_width=None))
    assert [len(row.panels) for row in rows.values()] == [2, 2, 2, 2]
    assert "error" not in " ".join(rows["size"].captions)
    ray = rows["ray"]
    assert ray.panels[1] is None
    assert ray.captions[0].endswith("mean 0.4")
    assert ray.ticks[-1].endswith("0.4 %")


@pytest.mark.parametrize(
    ("name", "shown"), [("a$_$b.png", "a$_$b.png"), ("b\udcff.png", "b\\udcff.png")]
)
def test_names_are_neither_formulas_nor_always_text(tmp_path, name, shown):
    draw_restoration(tmp_path / "a.png", page(), display=HU, title=name)
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["Title"] == shown


def test_nothing_at_all_can_be_drawn(tmp_path):
    zeros = np.zeros((32, 32))
    empty = Restoration(zeros, zeros, zeros, zeros, np.zeros((8, 45)), zeros)
    draw_restoration(tmp_path / "a.png", empty, display=HU, title="nothing")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 4 * 256
        assert image.info["Title"] == "nothing"

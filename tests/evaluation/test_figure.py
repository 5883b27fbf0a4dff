import re

import numpy as np
import pytest
from etils import epath
from PIL import Image

from sisr_jax.evaluation import figure
from sisr_jax.evaluation.collect import Evaluation
from sisr_jax.evaluation.curves import draw_curves
from sisr_jax.evaluation.display import Display, View
from sisr_jax.evaluation.figure import comparison_figure
from sisr_jax.evaluation.lettering import drawable
from sisr_jax.evaluation.panels import close_up
from sisr_jax.evaluation.quality_report import Quality
from sisr_jax.evaluation.scoring import DEGRADED, HR
from sisr_jax.evaluation.sheet import FRAMES, grey, heat
from sisr_jax.metrics import psnr
from sisr_jax.metrics.frequency import Curve
from sisr_jax.run import report

WHOLE = View("window", -1000.0, 1000.0)
SOFT, LUNG = View("soft", -160.0, 240.0), View("lung", -1350.0, 150.0)
DISPLAY = Display("HU", WHOLE, (SOFT, LUNG))


def images_of(num_images=2, height=16, width=24, seed=0):
    generator = np.random.default_rng(seed)
    return generator.random((num_images, height, width, 1)).astype(np.float32)


@pytest.fixture
def drawn(monkeypatch):
    """Sheets that were asked for: their blocks, columns and title."""
    kept = []
    monkeypatch.setattr(
        figure,
        "draw_sheet",
        lambda path, blocks, columns, title: kept.append((blocks, columns, title)),
    )
    return kept


def draw(path, methods, hr, **options):
    comparison_figure(path, methods, hr, **{"title": "t", "display": DISPLAY} | options)


def test_rows_columns_captions_and_bars(tmp_path, drawn):
    hr = images_of()
    near, far = np.clip(hr + 0.05, 0, 1), hr - 0.5
    draw(tmp_path, {"Degraded": hr[:, :, ::4], "Bicubic": far, "SRGAN": near}, hr)
    ((blocks, columns, title),) = drawn
    assert (columns, title) == (["Degraded", "Bicubic", "SRGAN", "HR"], "t")
    assert len(blocks) == 2
    whole, soft, lung, error = blocks[0]
    labels = [row.label for row in blocks[1]]
    assert labels == ["whole image", "close-up, soft", "close-up, lung", "|error|"]
    assert list(whole.ticks) == ["-1000 HU", "0 HU", "1000 HU"]
    assert list(soft.ticks) == ["-160 HU", "40 HU", "240 HU"]
    assert list(lung.ticks) == ["-1350 HU", "-600 HU", "150 HU"]
    assert whole.captions[0] == "6 of 24 columns"
    # Clipped before it is measured, like everywhere else.
    expected = psnr(np.clip(far, 0, 1), hr)
    assert whole.captions[1].startswith(f"{expected[0]:.2f} dB")
    assert (whole.captions[3], *soft.captions) == ("",) * 5
    assert error.captions[::3] == ["", ""]
    # 0.05 of 2000 HU, less where it was clipped.
    assert re.fullmatch(r"mean 9\d\.?\d? HU", error.captions[2])
    assert error.panels[0] is error.panels[3] is None


def test_a_row_has_one_window_for_all_methods(tmp_path, drawn):
    hr = np.full((1, 32, 32, 1), 0.52, np.float32)  # 40 HU
    hr[0, 8:16, 8:16] = 0.6  # 200 HU
    draw(tmp_path, {"A": hr - 0.05}, hr)
    ((whole, soft, lung, _),) = drawn[0][0]
    assert whole.panels[0][0, 0] == grey(np.array(0.47))
    assert whole.panels[1][0, 0] == grey(np.array(0.52))
    # -60 HU and 40 HU, in windows of 400 and of 1500 HU.
    assert set(np.unique(soft.panels[0])) >= set(grey(np.array([0.25, 0.65])))
    assert set(np.unique(soft.panels[1])) >= set(grey(np.array([0.5, 0.9])))
    assert grey(np.array(1390 / 1500)) in lung.panels[1]


def test_errors_of_all_methods_and_images_share_a_scale_in_units(tmp_path, drawn):
    hr = np.full((2, 32, 32, 1), 0.5, np.float32)
    small, large = hr.copy(), hr + 0.3
    small[0] += 0.025
    small[1] -= 0.1
    draw(tmp_path, {"Large": large, "Small": small}, hr)
    errors = [block[-1] for block in drawn[0][0]]
    for row in errors:
        ticks = ["0 HU", "100 HU", "\N{GREATER-THAN OR EQUAL TO} 200 HU"]
        assert list(row.ticks) == ticks
        assert set(np.unique(row.panels[0])) == {heat(np.array(1.0))}
    levels = heat(np.array([0.25, 1.0]))
    assert [row.panels[1][5, 5] for row in errors] == list(levels)
    assert errors[0].captions == ["mean 600 HU", "mean 50 HU", ""]


def test_a_close_up_shows_every_pixel_of_one_place(tmp_path, drawn):
    hr = np.full((1, 512, 512, 1), 0.5, np.float32)
    hr[0, 300:340, 40:100] += 0.05 * images_of(1, 40, 60)[0] ** 4
    draw(tmp_path, {"A": hr - 0.02}, hr)
    whole, soft, _, _ = drawn[0][0][0]
    frames = np.argwhere(whole.panels[1] == FRAMES[0])
    top, left, *_ = close_up(DISPLAY.levels(hr[0, ..., 0], SOFT))
    assert frames.min(axis=0).tolist() == [top // 2, left // 2]
    assert top <= 300 < 340 <= top + 128
    assert left <= 40 < 100 <= left + 128
    for panel, image in zip(soft.panels, (hr - 0.02, hr), strict=True):
        part = image[0, top : top + 128, left : left + 128, 0]
        shown = grey(DISPLAY.levels(part, SOFT)).repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(panel[2:-2, 2:-2], shown[2:-2, 2:-2])
        assert (panel[0] == FRAMES[0]).all()


def test_acquired_columns_are_as_wide_as_their_share(tmp_path, drawn):
    hr = images_of(1, 32, 32)
    draw(tmp_path, {"Degraded": hr[:, :, ::8], "A": hr}, hr)
    panel = drawn[0][0][0][0].panels[0]
    expected = grey(hr[0, :, ::8, 0]).repeat(8, 0).repeat(64, 1)
    np.testing.assert_array_equal(panel, expected)


def test_equalisation_is_one_rising_map_of_all_images(tmp_path, drawn):
    hr = images_of(1, 64, 64) ** 4
    draw(tmp_path, {"A": hr / 2}, hr, equalise=True)
    whole, close, error = drawn[0][0][0]
    assert list(close.ticks) == ["0", "0.5", "1"]
    shown = [panel[::4, ::4].astype(int) for panel in whole.panels]
    # The truth is shown at its ranks: all grey levels equally often, but for a frame.
    share = np.histogram(shown[1][shown[1] < FRAMES[0]], 4, (0, 184))[0] / 64**2
    np.testing.assert_allclose(share, 0.25, atol=0.05)
    rising = shown[0].ravel()[np.argsort(hr.ravel())]
    assert (np.diff(rising) >= 0).all()
    assert error.captions[0] == f"mean {1000 * hr.mean():.3g} HU"


@pytest.mark.parametrize("equalise", [False, True])
def test_configuration_asks_for_equalisation(tmp_path, drawn, load_config, equalise):
    config = load_config("us_srgan", evaluation__equalise_figure=equalise)
    hr = images_of(1, 256, 256) ** 4
    evaluation = Evaluation([], dict.fromkeys((DEGRADED, "TV", "SRGAN", HR), hr))
    report._draw(config, evaluation, ["TV", "SRGAN"], epath.Path(tmp_path), title="t")
    rows = drawn[0][0][0]
    assert rows[0].ticks[2] == ("1" if equalise else "255 levels")
    assert [row.label for row in rows[:1]] == ["whole image"]
    assert np.array_equal(rows[0].panels[0], grey(hr[0, ..., 0])) != equalise


def test_the_file_holds_the_panels_and_says_its_protocol(tmp_path):
    title = "phantoms, physical-ct-x16-abcdef: 512 x 512, " + "63 of 1000 views, " * 9
    hr = images_of(1, 128, 128)
    draw(tmp_path / "figure.png", {"A": hr, "B": hr[:, ::-1]}, hr, title=title)
    with Image.open(tmp_path / "figure.png") as image:
        assert image.text["Title"].split() == title.split()
        pixels = np.asarray(image)
    panel = grey(hr[0, :, :, 0]).repeat(2, 0).repeat(2, 1)
    places = np.argwhere(
        (np.lib.stride_tricks.sliding_window_view(pixels, (1, 256)) == panel[:1]).all(
            axis=(2, 3)
        )
    )
    # Of the methods: the truth has a frame, perhaps in its first row.
    top, left = places[0]
    np.testing.assert_array_equal(pixels[top : top + 256, left : left + 256], panel)


def test_letters_that_the_font_lacks_are_escaped(tmp_path):
    """Boxes would read alike, and each is a warning on the terminal."""
    title, hr = "\u60a3\u8005_1.dcm, \U0001f9b4\x07\t\u00e9", images_of(1, 64, 64)
    assert drawable(title) == "\\u60a3\\u8005_1.dcm, \\U0001f9b4\\x07\\t\u00e9"
    assert drawable("a\nb \N{GREATER-THAN OR EQUAL TO} 1") == "a\nb \u2265 1"
    draw(tmp_path / "a.png", {"\u60a3": hr, "B": hr[:, ::-1]}, hr, title=title)
    with Image.open(tmp_path / "a.png") as image:
        assert image.text["Title"] == title
    draw_curves(
        tmp_path / "b.png",
        {"\u60a3": Quality((), {"noise": Curve(np.arange(3.0), np.arange(3.0))})},
        title=title,
    )


def test_a_picture_of_four_slices_is_a_small_file(tmp_path):
    hr = images_of(4, 512, 512)
    path = tmp_path / "figure.png"
    draw(path, {"A": hr[:, ::-1], "B": hr[:, :, ::-1]}, hr)
    assert path.stat().st_size < 2_500_000  # of noise, which nothing compresses


@pytest.mark.parametrize(
    "images",
    [images_of(3), images_of(2, 15), images_of(2, 16, 25), images_of()[:, :, 0]],
    ids=["number", "height", "width", "axes"],
)
def test_images_that_do_not_belong_to_the_truth_are_named(tmp_path, images):
    methods = {"Bicubic": images, "SRGAN": images_of()}
    match = r"method 'Bicubic' of shape .* or fewer columns"
    with pytest.raises(ValueError, match=match):
        draw(tmp_path / "f.png", methods, images_of())


def test_the_last_method_has_the_width_of_the_truth(tmp_path):
    methods = {"Degraded": images_of()[:, :, ::4]}
    with pytest.raises(ValueError, match=r"expected .* as the truth$"):
        draw(tmp_path / "f.png", methods, images_of())


def test_no_method_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        draw(tmp_path / "f.png", {}, images_of())

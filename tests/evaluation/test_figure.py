import re

import numpy as np
import pytest
from etils import epath
from PIL import Image

from sisr_jax.evaluation import figure
from sisr_jax.evaluation.collect import Evaluation
from sisr_jax.evaluation.figure import comparison_figure
from sisr_jax.evaluation.scoring import DEGRADED, HR
from sisr_jax.metrics import psnr
from sisr_jax.run import report


def images_of(num_images=2, height=16, width=24, seed=0):
    generator = np.random.default_rng(seed)
    return generator.random((num_images, height, width, 1)).astype(np.float32)


@pytest.fixture
def drawn(monkeypatch):
    """Figures that were saved, to look into."""
    kept = []
    save = figure._save

    def keep(drawing, path, title):
        kept.append(drawing)
        save(drawing, path, title)

    monkeypatch.setattr(figure, "_save", keep)
    return kept


def test_the_file_itself_says_its_protocol(tmp_path):
    title = "phantoms, physical-ct-x16-abcdef: 512 x 512, " + "63 of 1000 views, " * 9
    comparison_figure(
        tmp_path / "figure.png", {"A": images_of()}, images_of(), title=title
    )
    with Image.open(tmp_path / "figure.png") as image:
        assert image.text["Title"].split() == title.split()


def test_rows_captions_and_scales(tmp_path, drawn):
    hr = images_of()
    near, far = np.clip(hr + 0.05, 0, 1), hr - 0.5
    rows = {"Degraded": hr[:, :, ::4], "Bicubic": far, "SRGAN": near}
    comparison_figure(tmp_path / "figure.png", rows, hr, title="a title")
    (drawing,) = drawn
    labels = [text.get_text() for text in drawing.texts]
    assert labels == ["a title", "Degraded", "Bicubic", "SRGAN", "HR", "|SRGAN - HR|"]
    *tiles, truth_bar, error_bar = drawing.axes
    assert len(tiles) == 5 * 2
    captions = [axes.texts[0].get_text() for axes in tiles]
    assert captions[:2] == ["6 of 24 columns"] * 2
    # Clipped before it is measured, like everywhere else.
    expected = psnr(np.clip(far, 0, 1), hr)
    assert captions[2].startswith(f"{expected[0]:.2f} dB")
    assert captions[6:8] == ["", ""]
    assert re.fullmatch(r"mean 0\.0[34]\d\d", captions[8])
    limits = [axes.images[0].get_clim() for axes in tiles]
    assert set(limits[:8]) == {(0.0, 1.0)}
    assert limits[8] == limits[9] == (0.0, 0.05)
    assert [label.get_text() for label in truth_bar.get_yticklabels()][-1] == "1"
    assert error_bar.get_yticklabels()[-1].get_text().endswith("0.05")


def test_one_display_window_for_all_images(tmp_path, drawn):
    hr = images_of()
    path = tmp_path / "figure.png"
    comparison_figure(path, {"A": hr / 2}, hr, title="", display=(0.25, 0.75))
    *tiles, truth_bar, _ = drawn[0].axes
    limits = [axes.images[0].get_clim() for axes in tiles]
    assert set(limits[:4]) == {(0.25, 0.75)}
    assert limits[4][0] == 0.0
    labels = [label.get_text() for label in truth_bar.get_yticklabels()]
    assert labels == ["0.25", "0.5", "0.75"]
    # What is measured does not depend on what is shown.
    assert tiles[0].texts[0].get_text().startswith(f"{psnr(hr / 2, hr)[0]:.2f} dB")


def test_equalisation_is_one_rising_map_of_all_images(tmp_path, drawn):
    hr = images_of() ** 4
    comparison_figure(tmp_path / "f.png", {"A": hr / 2}, hr, title="", equalise=True)
    shown = [axes.images[0] for axes in drawn[0].axes[:4]]
    truth = np.stack([np.asarray(tile.get_array()) for tile in shown[2:]])
    # The truth is shown at its ranks: all grey levels equally often.
    np.testing.assert_allclose(
        np.histogram(truth, 4, (0, 1))[0] / truth.size, 0.25, atol=0.02
    )
    estimate = np.stack([np.asarray(tile.get_array()) for tile in shown[:2]])
    both = np.concatenate([(hr / 2).ravel(), hr.ravel()])
    mapped = np.concatenate([estimate.ravel(), truth.ravel()])
    assert (np.diff(mapped[np.argsort(both)]) >= 0).all()
    assert {tile.get_clim() for tile in shown} == {(0.0, 1.0)}


@pytest.mark.parametrize("equalise", [False, True])
def test_configuration_asks_for_equalisation(tmp_path, drawn, load_config, equalise):
    config = load_config("us_srgan", evaluation__equalise_figure=equalise)
    hr = images_of() ** 4
    names = (DEGRADED, "TV", "SRGAN", HR)
    evaluation = Evaluation([], dict.fromkeys(names, hr))
    path = epath.Path(tmp_path / "f.png")
    report._draw(config, evaluation, ["TV", "SRGAN"], path, title="physical")
    shown = np.asarray(drawn[0].axes[0].images[0].get_array())
    assert np.allclose(shown, hr[0, ..., 0], atol=1e-3) != equalise


def test_acquired_columns_keep_their_width_and_place(tmp_path, drawn):
    hr = images_of()
    rows = {"Degraded": hr[:, :, ::4], "SRGAN": hr}
    comparison_figure(tmp_path / "figure.png", rows, hr, title="")
    axes = drawn[0].axes[0]
    assert axes.images[0].get_extent() == [9.0, 15.0, 16, 0]
    assert axes.get_xlim() == (0.0, 24.0)


def test_tiles_have_the_aspect_of_the_images_and_do_not_overlap(tmp_path, drawn):
    hr = images_of(3)
    comparison_figure(tmp_path / "f.png", {"A": hr, "B": hr}, hr, title="t " * 200)
    drawing = drawn[0]
    width, height = drawing.get_size_inches()
    boxes = [axes.get_position() for axes in drawing.axes]
    for box in boxes[:12]:
        ratio = (box.height * height) / (box.width * width)
        assert ratio == pytest.approx(16 / 24)
    for i, one in enumerate(boxes):
        assert 0 <= one.x0 < one.x1 <= 1
        assert 0 <= one.y0 < one.y1 <= 1
        for other in boxes[:i]:
            apart = one.x0 > other.x1 or other.x0 > one.x1
            assert apart or one.y0 > other.y1 or other.y0 > one.y1


def test_noise_still_makes_a_small_png(tmp_path, monkeypatch):
    monkeypatch.setattr(figure, "_MAX_BYTES", 120_000)
    hr = images_of(2, 256, 256)
    path = tmp_path / "figure.png"
    comparison_figure(path, {"A": hr[:, ::-1]}, hr, title="")
    assert path.stat().st_size <= 120_000
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.width > 150


@pytest.mark.parametrize(
    "images",
    [images_of(3), images_of(2, 15), images_of(2, 16, 25), images_of()[:, :, 0]],
    ids=["number", "height", "width", "axes"],
)
def test_images_that_do_not_belong_to_the_truth_are_named(tmp_path, images):
    rows = {"Bicubic": images, "SRGAN": images_of()}
    with pytest.raises(ValueError, match=r"row 'Bicubic' of shape .* or fewer columns"):
        comparison_figure(tmp_path / "f.png", rows, images_of(), title="")


def test_the_last_row_has_the_width_of_the_truth(tmp_path):
    rows = {"Degraded": images_of()[:, :, ::4]}
    with pytest.raises(ValueError, match=r"expected .* as the truth$"):
        comparison_figure(tmp_path / "f.png", rows, images_of(), title="")


def test_no_rows_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        comparison_figure(tmp_path / "f.png", {}, images_of(), title="")

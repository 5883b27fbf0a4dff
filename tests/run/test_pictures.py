import numpy as np
import pytest

from sisr_jax.evaluation.display import Display, View
from sisr_jax.run.pictures import legend, pictures

SOFT, LUNG = View("soft", -160.0, 240.0), View("lung", -1350.0, 150.0)
DISPLAY = Display("HU", View("window", -1000.0, 1000.0), (SOFT, LUNG))
HR = np.full((2, 4, 8, 1), 0.52, np.float32)  # 40 HU
IMAGES = {"degraded": HR[:, :, ::4], "sr": HR - 0.05, "hr": HR, "baseline": HR + 0.1}
NAMES = ("hr", "error", "sr", "degraded", "baseline")


def test_pictures_sort_as_a_person_reads_them():
    tags = sorted(pictures(IMAGES, NAMES, DISPLAY))
    row = ["1_degraded", "2_baseline", "3_sr", "4_hr", "5_error"]
    groups = ["sample_1_lung", "sample_1_soft", "sample_2_lung", "sample_2_soft"]
    assert tags == [f"{group}/{name}" for group in groups for name in row]


def test_a_row_has_one_window_and_errors_one_scale():
    shown = pictures(IMAGES, NAMES, DISPLAY)
    assert {each.shape for each in shown.values()} == {(4, 8, 1)}
    levels = {tag: each.flat[0] for tag, each in shown.items()}
    soft, lung = "sample_1_soft", "sample_2_lung"
    assert levels[f"{soft}/4_hr"] == pytest.approx(0.5)
    assert levels[f"{soft}/3_sr"] == pytest.approx(0.25)
    assert levels[f"{soft}/2_baseline"] == 1.0  # 240 HU
    assert levels[f"{soft}/1_degraded"] == pytest.approx(0.5)
    assert levels[f"{lung}/4_hr"] == pytest.approx(1390 / 1500)
    # 100 HU of 200.
    for group in (soft, lung):
        assert levels[f"{group}/5_error"] == pytest.approx(0.5, abs=1e-5)


def test_the_legend_says_what_grey_means():
    assert legend(DISPLAY).splitlines() == [
        "* soft: -160 to 240 HU",
        "* lung: -1350 to 150 HU",
        "* error: 0 to 200 HU, and more, absolute",
    ]

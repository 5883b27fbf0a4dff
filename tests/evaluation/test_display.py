import numpy as np

from sisr_jax.evaluation.display import View, display_of
from sisr_jax.evaluation.protocol import protocol_of


def test_ct_is_seen_in_hu_through_radiologys_windows(load_config):
    display = display_of(protocol_of(load_config("ct_srgan")))
    assert display.unit == "HU"
    assert display.whole[1:] == (-1000.0, 1000.0)
    assert display.span == 2000.0
    soft, lung = display.views
    assert (soft, lung) == (View("soft", -160, 240), View("lung", -1350, 150))
    # Level 40, width 400: 40 HU are in the middle, 240 HU white.
    hounsfield = np.array([-160.0, 40.0, 240.0])
    levels = display.levels((hounsfield + 1000) / 2000, soft)
    np.testing.assert_allclose(levels, [0.0, 0.5, 1.0], atol=1e-12)


def test_windows_that_the_images_never_reach_are_left_out(load_config):
    config = load_config("ct_srgan", data__window=(200.0, 3000.0))
    display = display_of(protocol_of(config))
    assert [view.name for view in display.views] == ["soft"]
    for window in ((500.0, 3000.0), (-3000.0, -1400.0)):
        config = load_config("ct_srgan", data__window=window)
        display = display_of(protocol_of(config))
        assert display.views == (display.whole,) == (View("window", *window),)


def test_ultrasound_is_seen_in_its_own_window_and_unit(load_config):
    display = display_of(protocol_of(load_config("us_srgan")))
    assert (display.unit, display.views) == ("levels", (display.whole,))
    config = load_config("us_srgan", data__window=(-60.0, 0.0))
    assert display_of(protocol_of(config)).unit == "dB"


def test_nothing_physical_is_left_of_images_by_their_own_range(load_config):
    display = display_of(protocol_of(load_config("ct_srgan"), "original"))
    assert display.views == (display.whole,) == (View("own range", 0.0, 1.0),)

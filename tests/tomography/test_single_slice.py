import numpy as np
import pytest

from sisr_jax.tomography.cone_views import ConeViews
from sisr_jax.tomography.single_slice import TURN, rebin_slice, views_of_slice

DISC = (11.0, -7.0, 20.0)


def helix(count=180, *, climb=10.0, **numbers):
    turned = TURN * np.arange(count) / 120
    still = np.zeros(count)
    shown = {
        "angles": 0.4 + turned,
        "heights_mm": climb * turned / TURN,
        "angle_shifts": still,
        "height_shifts_mm": still,
        "radius_shifts_mm": still,
        "source_to_origin_mm": 200.0,
        "source_to_detector_mm": 400.0,
        "num_rows": 12,
        "num_columns": 90,
        "row_pitch_mm": 2.5,
        "column_pitch_mm": 2.7,
        "central_row": 5.5,
        "central_column": 44.75,
    }
    return ConeViews(**shown | numbers)


def measure(views, value_at):
    """Views of what is the same at all heights: in-plane integral / cosine of slope."""
    spots = views.angles + views.angle_shifts
    radii = views.source_to_origin_mm + views.radius_shifts_mm
    rows = (np.arange(views.num_rows) - views.central_row) * views.row_pitch_mm
    for k, angle in enumerate(views.angles):
        spot = radii[k] * np.array([-np.sin(spots[k]), np.cos(spots[k])])
        centre = views.source_to_origin_mm * np.array([-np.sin(angle), np.cos(angle)])
        seen = angle + views.column_angles
        way = np.stack([np.sin(seen), -np.cos(seen)]) * views.source_to_detector_mm
        way += (centre - spot)[:, None]
        length = np.hypot(*way)
        slope = (rows - views.height_shifts_mm[k])[:, None] / length
        yield value_at(spot, way / length) * np.hypot(1, slope)


def chord(spot, way, disc=DISC):
    x, y, radius = disc
    off = (x - spot[0]) * way[1] - (y - spot[1]) * way[0]
    return 2 * np.sqrt(np.maximum(radius**2 - off**2, 0))


def chords_of(fan):
    t = fan.angles[:, None] + fan.fan_angles
    s = fan.source_to_origin_mm * np.sin(fan.fan_angles)
    x, y, radius = DISC
    off = s - x * np.cos(t) - y * np.sin(t)
    return 2 * np.sqrt(np.maximum(radius**2 - off**2, 0))


def rebin(views, height_mm, arc=TURN):
    chosen = views_of_slice(views, height_mm=height_mm, arc=arc)
    some = views.at(chosen)
    measured = measure(some, chord)
    return rebin_slice(measured, some, height_mm=height_mm, size=64, pixel_mm=1.0)


@pytest.mark.parametrize("climb", [10.0, -10.0, 0.0])
def test_is_exact_for_what_is_the_same_at_all_heights(climb):
    """Only the interpolation of rows, whose slopes differ, is left of the error."""
    made = rebin(helix(climb=climb), 0.7 * climb)
    assert made.fan.num_angles == 120
    assert made.fan.detector == "arc"
    assert made.fan.source_to_origin_mm == 200
    np.testing.assert_allclose(made.sinogram, chords_of(made.fan), rtol=2e-5, atol=1e-5)


def test_views_are_those_around_the_slice():
    views = helix()
    chosen = views_of_slice(views, height_mm=7.5)
    np.testing.assert_array_equal(chosen, np.arange(30, 150))
    short = views_of_slice(views, height_mm=7.5, arc=1.5 * np.pi)
    np.testing.assert_array_equal(short, np.arange(45, 135))
    np.testing.assert_array_equal(
        views_of_slice(helix(climb=0.0), height_mm=3.0), np.arange(120)
    )


def test_turns_before_the_slice_do_not_matter():
    views = helix()
    made, later = (
        rebin(each, 7.0) for each in (views, helix(angles=views.angles + 2 * TURN))
    )
    np.testing.assert_allclose(later.fan.angles, made.fan.angles, atol=1e-9)
    np.testing.assert_allclose(later.sinogram, made.sinogram, atol=1e-5)


def test_focal_spot_that_flies():
    """In turns near and far, left and right: the rays are where they were measured."""
    some = np.arange(180) % 2
    views = helix(
        angle_shifts=6e-4 * (some - 0.5),
        radius_shifts_mm=1.0 * some,
        height_shifts_mm=-0.4 * some,
    )
    made = rebin(views, 7.0)
    assert made.fan.source_to_origin_mm == pytest.approx(200.5)
    inner = chords_of(made.fan) > 20
    error = np.abs(made.sinogram - chords_of(made.fan))
    assert error[inner].max() < 0.2
    ignored = rebin_slice(
        measure(views.at(np.arange(24, 144)), chord),
        helix().at(np.arange(24, 144)),
        height_mm=7.0,
        size=64,
        pixel_mm=1.0,
    )
    worse = np.abs(ignored.sinogram - chords_of(ignored.fan))
    assert error[inner].mean() < 0.5 * worse[chords_of(ignored.fan) > 20].mean()


def test_rows_are_interpolated_where_the_rays_meet_the_slice():
    """Values that grow evenly with height give what they are at the slice."""
    views = helix()
    chosen = views_of_slice(views, height_mm=7.5)
    some = views.at(chosen)

    def measured():
        # The height at which the ray of a row and column passes nearest to the axis.
        rows = (np.arange(12) - 5.5) * 2.5
        for height in some.heights_mm:
            shrunk = 200 * np.cos(some.column_angles) / 400
            slope = np.hypot(1, rows[:, None] / 400)
            yield (height + rows[:, None] * shrunk) * slope

    made = rebin_slice(measured(), some, height_mm=7.5, size=64, pixel_mm=1.0)
    np.testing.assert_allclose(made.sinogram, 7.5, rtol=1e-4)


@pytest.mark.parametrize(
    ("views", "numbers", "message"),
    [
        (helix(), {"height_mm": 1.0}, r"its arc of 120 views is not all among the 180"),
        (helix(), {"height_mm": 7.0, "arc": 3.0}, "arc = 3 rad: expected half a turn"),
        (helix(), {"height_mm": 7.0, "arc": 7.0}, "arc = 7 rad: .* to a turn"),
        (helix(1), {"height_mm": 0.0}, "1 views whose angles step by nothing"),
        (
            helix(angles=np.abs(np.arange(180) - 90.0)),
            {"height_mm": 7.0},
            "expected views that turn in one direction",
        ),
        (
            helix(heights_mm=np.repeat([0.0, 15.0], 90)),
            {"height_mm": 7.0},
            "off a helix: expected one height",
        ),
        (
            helix().at(np.r_[:80, 83:180]),
            {"height_mm": 7.5},
            "views step by 0.05236 rad, and once by 0.2094: expected no views to be",
        ),
    ],
)
def test_views_that_make_no_slice(views, numbers, message):
    with pytest.raises(ValueError, match=message):
        views_of_slice(views, **numbers)


def test_what_cannot_be_rebinned():
    with pytest.raises(
        ValueError, match=r"miss the detector by up to .* of its 12 rows"
    ):
        rebin(helix(climb=20.0), 14.0)
    far = np.where(np.arange(180) % 2, 30.0, 0.0)
    with pytest.raises(ValueError, match="focal spots that move the rays of a view"):
        rebin(helix(radius_shifts_mm=far), 7.0)
    views = helix(120, climb=0.0)
    wrong = np.zeros((120, 12, 89))
    with pytest.raises(
        ValueError, match=r"view 0 of shape \(12, 89\): expected 12 rows"
    ):
        rebin_slice(wrong, views, height_mm=0.0, size=64, pixel_mm=1.0)
    with pytest.raises(ValueError, match="shorter"):
        rebin_slice(wrong[:0], views, height_mm=0.0, size=64, pixel_mm=1.0)

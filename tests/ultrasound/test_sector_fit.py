"""Sectors found from their outline, and outlines that are none."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from sisr_jax.ultrasound import CartesianGrid, PolarGrid, fan_mask, to_cartesian
from sisr_jax.ultrasound.scan_conversion import to_polar
from sisr_jax.ultrasound.sector_fit import fit_sector

FRAMES = pathlib.Path(__file__).parents[3] / "shared" / "data" / "us"
SIZES = {"num_depths": 64, "num_lines": 48}


def drawn(first, last, near=60.0, far=300.0, shape=(320, 420), apex=(-30.0, 200.0)):
    polar = PolarGrid(np.linspace(near, far, 64), np.linspace(first, last, 48))
    around = CartesianGrid(shape, (1.0, 1.0), (-apex[0], -apex[1]))
    return polar, around


@pytest.mark.parametrize("angles", [(-0.6, 0.6), (-0.3, 0.5), (-1.1, 1.1)])
def test_a_sector_is_found(angles):
    apex = (40.0, 210.0) if angles[1] > 1 else (-30.0, 200.0)
    polar, around = drawn(*angles, shape=(320, 640), apex=(apex[0], apex[1] + 100))
    found = fit_sector(np.asarray(fan_mask(polar, around)), **SIZES)
    np.testing.assert_allclose(found.polar.angles[[0, -1]], angles, atol=0.02)
    np.testing.assert_allclose(found.polar.radii[[0, -1]], [60, 300], atol=3)
    np.testing.assert_allclose(found.cartesian.origin, around.origin, atol=4)
    assert found.overlap > 0.97


def test_speckle_that_is_dark_inside_and_at_the_rim_does_not_matter():
    polar, around = drawn(-0.5, 0.5)
    lit = np.asarray(fan_mask(polar, around))
    lit = lit & (np.random.default_rng(0).random(lit.shape) < 0.7)
    found = fit_sector(lit, **SIZES)
    np.testing.assert_allclose(found.polar.angles[[0, -1]], [-0.5, 0.5], atol=0.02)


def test_beams_survive_the_round_trip():
    polar, around = drawn(-0.5, 0.5)
    beams = np.add.outer(np.cos(np.arange(64) / 5), np.sin(np.arange(48) / 4))
    picture = np.asarray(to_cartesian(beams.astype(np.float32), polar, around))
    found = fit_sector(np.asarray(fan_mask(polar, around)), **SIZES)
    again = np.asarray(to_polar(picture, found.polar, found.cartesian))
    assert (
        np.corrcoef(again[4:-4, 4:-4].ravel(), beams[4:-4, 4:-4].ravel())[0, 1] > 0.97
    )


@pytest.mark.parametrize(
    ("lit", "message"),
    [
        (np.zeros((50, 50), bool), "0 rows are lit"),
        (np.ones((50, 60), bool), "left side has 0 points inside"),
        (np.pad(np.ones((50, 60), bool), 20), "sides open by"),
        (np.pad(np.tri(80, dtype=bool), ((20, 60), (90, 9))), "share"),
    ],
)
def test_what_is_no_sector_is_refused(lit, message):
    with pytest.raises(ValueError, match=message):
        fit_sector(lit, **SIZES)


@pytest.mark.shared_data
@pytest.mark.skipif(
    not FRAMES.is_dir(), reason="needs the shared folder of ultrasound frames"
)
@pytest.mark.parametrize(("video", "opening"), [("v1", 62), ("v5", 61)])
def test_recorded_lungs(video, opening):
    """Videos of a curved array: one sector each, the same in both halves."""
    files = sorted(FRAMES.glob(f"*sonographic_{video}_*.png"))
    lit = [np.asarray(Image.open(file)) > 2 for file in files]
    fits = [fit_sector(np.any(each, 0), **SIZES) for each in (lit[::2], lit[1::2])]
    degrees = [np.degrees(np.ptp(each.polar.angles)) for each in fits]
    np.testing.assert_allclose(degrees, opening, atol=3)
    np.testing.assert_allclose(*(each.polar.radii for each in fits), rtol=0.03)

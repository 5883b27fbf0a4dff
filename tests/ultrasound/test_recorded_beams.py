"""Scan conversion of what real scanners recorded."""

import pathlib

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from sisr_jax.ultrasound import (
    CartesianGrid,
    PolarGrid,
    fan_mask,
    to_cartesian,
    to_polar,
)

RECORDINGS = pathlib.Path(__file__).parents[3] / "shared" / "data" / "us_polar"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(
        not RECORDINGS.is_dir(), reason="needs the shared folder of beam recordings"
    ),
]


def duke(name):
    """Envelope of a recording, and its grid in axial samples."""
    with np.load(RECORDINGS / f"duke_20170501112437_channelData_{name}.npz") as data:
        envelope = np.hypot(data["iq_real"], data["iq_imag"])
        radius = float(data["initial_radius"]), float(data["final_radius"])
        angle = float(data["initial_angle"]), float(data["final_angle"])
        shape = int(data["height"]), int(data["width"])
    assert envelope.shape == shape
    radii = np.linspace(*radius, shape[0], endpoint=False)
    return envelope, PolarGrid(radii, np.linspace(*angle, shape[1]))


@pytest.mark.parametrize("name", ["part1_0", "part10_1"])
def test_real_beams_survive_the_round_trip(name):
    envelope, polar = duke(name)
    np.testing.assert_allclose(np.diff(polar.radii), 1, rtol=1e-5)
    level = np.log10(envelope + 1)
    around = CartesianGrid.covering(polar, 1.0)
    again = to_polar(to_cartesian(level, polar, around), polar, around)
    inner = np.s_[4:-4, 4:-4]
    error = (np.asarray(again) - level)[inner]
    # Less than a shift of the speckle by half a sample would cost.
    shift = (level[1:] - level[:-1])[inner] / 2
    assert error.std() < 0.75 * shift.std()


def test_fundamental_and_harmonic_of_one_target_coincide():
    # Two recordings of one phantom, with 2.5 times the samples in the second.
    fundamental, coarse = duke("part1_0")
    harmonic, fine = duke("part1_1")
    fundamental = gaussian_filter1d(fundamental, 4, axis=0)
    harmonic = gaussian_filter1d(harmonic, 10, axis=0)
    grid = CartesianGrid.covering(coarse, 4.0)

    def likeness(ratio):
        scaled = PolarGrid(fine.radii / ratio, fine.angles)
        both = np.asarray(fan_mask(coarse, grid) & fan_mask(scaled, grid))
        pictures = (
            to_cartesian(fundamental, coarse, grid),
            to_cartesian(harmonic, scaled, grid),
        )
        return np.corrcoef([np.log(np.asarray(p)[both]) for p in pictures])[0, 1]

    assert likeness(2.5) > 0.93
    assert likeness(2.4) < 0.9
    assert likeness(2.6) < 0.9


# The curvilinear set, in pixels of its picture: 148 degrees, right to left, around
# an apex at row 28 and column 409. Where the picture is lit says so.
CURVED = PolarGrid(np.linspace(66.9, 540.4, 3640), np.deg2rad(np.linspace(74, -74, 96)))


def drawn(step=1):
    shape = -(-616 // step), -(-820 // step)
    return CartesianGrid(shape, spacing=(step, step), origin=(-28, -409))


@pytest.fixture(scope="module")
def curvilinear():
    with np.load(RECORDINGS / "plus_ultrasonix_curvilinear.npz") as data:
        return data["polar"], data["scan_converted"]


def explained(beams, picture, polar):
    """Share of a picture's variance that the best tone curve of beams explains.

    The toolkit compressed and smoothed its picture in its own way, so levels are
    not comparable, but places are.
    """
    grid = drawn(3)
    mask = np.asarray(fan_mask(polar, grid))
    got = np.asarray(to_cartesian(beams, polar, grid))[mask].round().astype(int)
    truth = picture[::3, ::3][mask].astype(float)
    number = np.bincount(got, minlength=256)
    curve = np.bincount(got, truth, minlength=256) / np.maximum(number, 1)
    return 1 - np.mean((truth - curve[got]) ** 2) / truth.var()


def test_fan_has_the_border_of_the_toolkit(curvilinear):
    lit = (curvilinear[1] > 0).any(axis=0)
    mask = np.asarray(fan_mask(CURVED, drawn()))
    assert not (lit & ~mask).any()
    for mine, theirs in [
        (mask[:, 350:470], lit[:, 350:470]),
        (mask[::-1, 60:760], lit[::-1, 60:760]),
    ]:
        late = theirs.argmax(axis=0) - mine.argmax(axis=0)
        assert np.median(late) == 0
        assert np.percentile(late, 90) <= 1


def test_picture_has_the_places_of_the_toolkit(curvilinear):
    polar, pictures = curvilinear
    # The toolkit's envelope filter came 40 samples, 5 pixels, later in this file.
    beams = gaussian_filter1d(polar[0].T.astype(np.float32), 10, axis=0)
    beams = np.roll(beams, -40, axis=0)
    assert explained(beams, pictures[0], CURVED) > 0.9
    flipped = PolarGrid(CURVED.radii, CURVED.angles[::-1])
    assert explained(beams, pictures[0], flipped) < 0.2
    for wrong in (
        PolarGrid(CURVED.radii, CURVED.angles * 0.95),
        PolarGrid(CURVED.radii + 8, CURVED.angles),
        PolarGrid(CURVED.radii * 0.97, CURVED.angles),
    ):
        assert explained(beams, pictures[0], wrong) < 0.8

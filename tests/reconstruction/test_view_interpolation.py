import numpy as np
import pytest
from scipy.interpolate import KroghInterpolator, interp1d

from sisr_jax.reconstruction.view_interpolation import fill_views, mirror
from sisr_jax.tomography import ParallelBeam
from sisr_jax.tomography import radon as any_radon


def radon(image, beam):
    return any_radon(image, beam, method="reference")


def image_of(size, seed=0):
    row, column = np.mgrid[:size, :size] - size / 2
    smooth = np.exp(-((row - 2) ** 2 + (column + 1) ** 2) / 12)
    return smooth + 0.1 * np.random.default_rng(seed).random((size, size))


# 16 pixels have 23 detectors, 15 have 22: both parities.
@pytest.mark.parametrize("size", [16, 15])
def test_mirrored_views_are_those_half_a_turn_later(size):
    beam = ParallelBeam(size, angles=[0.0, 0.4, 1.3, 2.9])
    later = ParallelBeam(size, angles=beam.angles + np.pi)
    image = image_of(size)
    np.testing.assert_allclose(
        mirror(radon(image, beam)), radon(image, later), atol=2e-5
    )


@pytest.mark.parametrize("size", [16, 15])
@pytest.mark.parametrize(("num_angles", "factor"), [(30, 5), (32, 5)])
@pytest.mark.parametrize("method", ["linear", "cubic"])
def test_against_scipy_on_a_full_turn(size, num_angles, factor, method):
    full = ParallelBeam(size, num_angles)
    kept = full.every(factor)
    views = np.asarray(radon(image_of(size), kept), np.float64)
    # A full turn on either side, projected and not mirrored.
    turns = np.concatenate([kept.angles + k * np.pi for k in (-1, 0, 1)])
    whole = np.asarray(radon(image_of(size), ParallelBeam(size, angles=turns)))
    if method == "linear":
        expected = interp1d(turns, whole, axis=0)(full.angles)
    else:
        expected = np.stack([_through_four(turns, whole, t) for t in full.angles])
    filled = fill_views(views.astype(np.float32), kept=kept, full=full, method=method)
    assert filled.shape == expected.shape
    np.testing.assert_allclose(filled, expected, atol=1e-4)
    np.testing.assert_allclose(filled[::factor], views, atol=1e-5)


def _through_four(nodes, values, angle):
    before = np.sum(nodes <= angle + 1e-12)
    near = slice(before - 2, before + 2)
    return KroghInterpolator(nodes[near], values[near])(angle)


def test_batches():
    full = ParallelBeam(12, 20)
    kept = full.every(4)
    views = np.random.default_rng(0).random((2, 3, 5, 17)).astype(np.float32)
    filled = fill_views(views, kept=kept, full=full, method="cubic")
    assert filled.shape == (2, 3, 20, 17)
    np.testing.assert_allclose(
        filled[1, 2],
        fill_views(views[1, 2], kept=kept, full=full, method="cubic"),
        atol=1e-6,
    )


@pytest.mark.parametrize("kind", ["int16", "float16"])
def test_other_types_are_interpolated_in_float32(kind):
    full = ParallelBeam(12, 20)
    kept = full.every(4)
    views = np.random.default_rng(0).integers(0, 2000, (5, 17)).astype(kind)
    found = fill_views(views, kept=kept, full=full, method="cubic")
    expected = fill_views(views.astype("f4"), kept=kept, full=full, method="cubic")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_views_of_another_number_of_detectors_are_refused():
    beam = ParallelBeam(12, 5)
    with pytest.raises(ValueError, match=r"sinogram of shape \(5, 18\): expected"):
        fill_views(np.zeros((5, 18), "f4"), kept=beam, full=beam, method="linear")


@pytest.mark.parametrize(
    ("angles", "size", "method", "message"),
    [
        ([0.0, 1.0], 8, "nearest", "'nearest': expected 'linear' or 'cubic'"),
        ([0.0, 1.0], 9, "linear", "kept.size = 9: expected 8"),
        ([0.0, 1.0, 2.0], 8, "cubic", "3 kept views: expected at least 4"),
        ([1.0, 0.0], 8, "linear", "expected rising"),
        ([0.0, 3.2], 8, "linear", "within half a turn"),
    ],
)
def test_bad_input(angles, size, method, message):
    kept = ParallelBeam(size, angles=angles)
    views = np.zeros((len(angles), kept.num_detectors), np.float32)
    with pytest.raises(ValueError, match=message):
        fill_views(views, kept=kept, full=ParallelBeam(8, 10), method=method)

"""The phantom's numbers of images whose noise, blur and bias are known."""

import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.data.phantoms.discs import Disc, draw_discs
from sisr_jax.errors import InputError
from sisr_jax.evaluation import phantom_methods
from sisr_jax.evaluation.phantom_methods import (
    low_dose_weight,
    method_named,
    method_names,
)
from sisr_jax.evaluation.phantom_quality import (
    Scan,
    measure,
    phantom_quality,
    reconstruct,
)
from sisr_jax.evaluation.quality_report import NOISE_POWER, TRANSFER
from sisr_jax.tomography import ParallelBeamCT
from sisr_jax.tomography.noise import WATER_PER_MM

SCAN = Scan(
    size=128,
    pixel_mm=1.4,
    views=30,
    photons=1e5,
    samples=60,
    contrast=30.0,
    seed=0,
)
SIGMA, SHIFT = 20.0, 4.0


def image(*inserts):
    water = Disc(64, 64, 0.42 * 128, 0.0)
    return draw_discs(128, [water, SCAN.bone, *inserts])


@pytest.fixture(scope="module")
def quality():
    rng = np.random.default_rng(0)
    noise = SIGMA * rng.standard_normal((2, SCAN.samples, 128, 128)).astype(np.float32)
    present, absent = image(*SCAN.inserts), image()
    found = phantom_quality(SCAN, present + SHIFT + noise[0], absent + SHIFT + noise[1])
    return found, {number.quantity: number for number in found.numbers}


def test_noise_is_what_was_added(quality):
    found, numbers = quality
    # 60 scans of 8 regions of 15 x 15 pixels: 0.2 % of a standard deviation.
    assert numbers["noise"].value == pytest.approx(SIGMA, rel=0.01)
    assert numbers["its mean frequency"].value == pytest.approx(0.25 / 1.4, rel=0.1)
    curve = found.curves[NOISE_POWER]
    np.testing.assert_allclose(curve.values, SIGMA**2 * 1.4**2, rtol=0.1)


def test_the_edge_is_as_sharp_as_a_pixel(quality):
    found, numbers = quality
    # sinc(f) of a pixel is a half at 0.603 cycles/pixel.
    f50 = numbers["f50 of the 400 HU edge"].value
    assert f50 == pytest.approx(0.603 / 1.4, rel=0.06)
    assert found.curves[TRANSFER].values[0] == pytest.approx(1)


def test_bias_is_the_shift(quality):
    biases = [n for name, n in quality[1].items() if name.startswith("bias, ")]
    assert len(biases) == 6
    for number in biases:
        assert abs(number.value - SHIFT) < 4 * number.standard_error, number
        assert number.count == SCAN.samples
    water = quality[1]["bias, water"]
    expected = SIGMA / np.sqrt(60 * 8 * 15 * 15)
    assert water.standard_error == pytest.approx(expected, rel=0.4)


def test_discs_are_detected_as_an_observer_of_white_noise_would(quality):
    found = [n for name, n in quality[1].items() if name.startswith("d', ")]
    assert len(found) == 4
    for number, disc in zip(found, SCAN.inserts, strict=True):
        signal = image(disc) - image()
        ideal = np.sqrt((signal**2).sum()) / SIGMA
        # Channels do not see all of a sharp disc.
        least = 0.85 * ideal - 3 * number.standard_error
        assert least < number.value < ideal + 3 * number.standard_error, number


def test_scans_have_noise_of_their_own_around_the_same_phantom():
    scan = SCAN._replace(size=64, samples=6, photons=1e4)
    operator = ParallelBeamCT(scan.beam)
    present, absent = measure(scan, operator)
    assert present.shape == absent.shape == (6, *operator.range_shape)
    water = Disc(32, 32, 0.42 * 64, 0.0)
    drawn = draw_discs(64, [water, scan.bone, *scan.inserts])
    signal = operator(jnp.asarray((drawn - draw_discs(64, [water, scan.bone])) / 2000))
    errors = []
    for sinograms, inserts in ((present, scan.inserts), (absent, ())):
        drawn = draw_discs(64, [water, scan.bone, *inserts])
        clean = operator(jnp.asarray((drawn + 1000) / 2000))
        error = sinograms - clean
        assert len({float(each.sum()) for each in error}) == 6
        # Of counts n, the logarithm deviates by 1 / sqrt(n), but for few of them.
        scale = WATER_PER_MM * 1.4 * 2
        expected = jnp.exp(scale * clean / 2) / jnp.sqrt(1e4) / scale
        assert float((error / expected).std()) == pytest.approx(1, rel=0.03)
        # What is missing or too much of the small discs: all of them would be 1.
        amount = jnp.sum(error.mean(0) * signal) / jnp.sum(signal**2)
        assert abs(amount) < 0.5
        errors.append(np.ravel(error))
    assert abs(np.corrcoef(errors)[0, 1]) < 0.05
    again, _ = measure(scan, operator)
    np.testing.assert_array_equal(again, present)


def test_places_of_noise_lie_in_water_away_from_the_bone():
    for scan in (SCAN, SCAN._replace(size=64), SCAN._replace(size=512)):
        rows, columns = np.mgrid[: scan.size, : scan.size]
        half, middle = int(0.06 * scan.size), scan.size // 2
        for row, column in scan.places:
            box = np.maximum(abs(rows - row), abs(columns - column)) <= half
            distance = np.hypot(rows - middle, columns - middle)[box] / scan.size
            assert 0.1 + 0.05 < distance.min() < distance.max() < 0.42 - 0.03


def test_methods_by_name(monkeypatch):
    def total_variation(views, operator, *, weight, num_iterations):
        assert num_iterations == 100
        return weight * operator.T(views)

    monkeypatch.setattr(phantom_methods, "total_variation", total_variation)
    operator = ParallelBeamCT(SCAN._replace(size=64).beam)
    views = operator(jnp.asarray(np.random.default_rng(0).random((2, 64, 64))))
    for name, expected in (
        ("fbp", operator.fbp(views)),
        ("tv", 0.01 * operator.T(views)),
    ):
        method = method_named(name, operator, tv_weight=0.01)
        found = reconstruct(method, views, operator)
        np.testing.assert_allclose(found, 2000 * expected - 1000, rtol=1e-4, atol=0.1)
    with pytest.raises(InputError, match="'mean': expected one of fbp, tv, sparse-"):
        method_named("mean", operator, tv_weight=0.01)
    name = method_names()[-1]
    with pytest.raises(InputError, match="30 views: these weights are for 32 to 250"):
        method_named(name, operator, tv_weight=0.01)
    assert method_names()[:2] == ("fbp", "tv")


def test_weights_of_total_variation_are_those_that_were_chosen():
    # `experiments/learned_ct/README.md`: 50 and 450 times 1e-4.
    assert low_dose_weight(1e5) == pytest.approx(50e-4)
    assert low_dose_weight(1e4) == pytest.approx(450e-4, rel=0.02)

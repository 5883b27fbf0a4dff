"""Numbers of slices that differ from their references in known ways."""

import numpy as np
import pytest

from sisr_jax.data.phantoms.discs import Disc, draw_discs
from sisr_jax.evaluation.patient_quality import (
    TISSUES,
    patient_quality,
    slice_quality,
)
from sisr_jax.evaluation.quality_report import NOISE_POWER, TRANSFER

PIXEL, SIZE = 0.8, 256
BODY = Disc(127.2, 128.4, 120.0, 40.0)
LUNG, BONE = Disc(90, 128, 45.0, -820.0), Disc(190, 120, 20.0, 600.0)


def reference(seed=0):
    drawn = draw_discs(SIZE, [BODY, LUNG, BONE])
    noise = np.random.default_rng(seed).standard_normal((SIZE, SIZE))
    return (drawn + 2 * noise).astype(np.float32)


def qualities(change, count=3):
    slices = []
    for seed in range(count):
        truth = reference(seed)
        noise = np.random.default_rng(100 + seed).standard_normal((SIZE, SIZE))
        image = change(truth, noise.astype(np.float32)).astype(np.float32)
        slices.append(slice_quality(image, truth, pixel_mm=PIXEL))
    found = patient_quality(slices, pixel_mm=PIXEL)
    return found, {number.quantity: number for number in found.numbers}


def test_noise_and_bias_are_those_that_were_added():
    shifts = {"lung": 9.0, "soft tissue": -5.0, "bone": 14.0}

    def change(truth, noise):
        shifted = truth + 20 * noise + shifts["soft tissue"]
        for name, disc in (("lung", LUNG), ("bone", BONE)):
            shifted[disc.mask(SIZE)] += shifts[name] - shifts["soft tissue"]
        return shifted

    found, numbers = qualities(change)
    noise = numbers["noise of the difference"]
    # A polynomial takes 6 of 1024 degrees of freedom, a quarter of the blocks count.
    expected = 20 * np.sqrt(1018 / 1024)
    assert noise.value == pytest.approx(
        expected, rel=4 / np.sqrt(2 * 1024 * noise.count)
    )
    assert noise.count >= 6
    # It also empties the first of 16 bins: the mean is up to 1 / 15 higher.
    frequency = numbers["its mean frequency"].value / (0.25 / PIXEL)
    assert 1 - 0.02 < frequency < 16 / 15 + 0.02
    curve = found.curves[NOISE_POWER]
    np.testing.assert_allclose(curve.values[2:], 400 * PIXEL**2, rtol=0.3)
    for name, shift in shifts.items():
        bias = numbers[f"bias, {name}"]
        assert bias.count == 3
        assert abs(bias.value - shift) < 1.5, bias
        assert 0 < bias.standard_error < 1


def test_the_transfer_is_that_of_the_blur():
    blur = 1.3

    def change(truth, noise):
        f = np.fft.fftfreq(SIZE)
        gain = np.exp(-2 * np.pi**2 * blur**2 * (f[:, None] ** 2 + f**2))
        return np.fft.ifft2(np.fft.fft2(truth) * gain).real + 3 * noise

    found, numbers = qualities(change)
    f50 = numbers["f50 of the transfer"]
    expected = np.sqrt(np.log(2) / 2) / (np.pi * blur * PIXEL)
    assert f50.value == pytest.approx(expected, rel=0.05)
    assert f50.count == 3
    assert 0 < f50.standard_error < 0.02
    curve = found.curves[TRANSFER]
    gain = np.exp(-2 * np.pi**2 * (blur * PIXEL * curve.frequencies) ** 2)
    np.testing.assert_allclose(curve.values, gain, atol=0.06)


def test_an_image_that_is_its_reference():
    _, numbers = qualities(lambda truth, noise: truth, count=1)
    assert numbers["noise of the difference"].value == 0
    assert numbers["f50 of the transfer"].value == np.inf
    for name in TISSUES:
        assert numbers[f"bias, {name}"].value == 0
        assert np.isnan(numbers[f"bias, {name}"].standard_error)


def test_uniform_blocks_lie_in_the_tissue_and_away_from_edges():
    def change(truth, noise):
        # Wrong in the air and in pixels that an edge cuts, by a twentieth or more.
        wrong = truth + 1000
        rows, columns = np.mgrid[:SIZE, :SIZE]
        inside = BODY.mask(SIZE)
        for disc in (BODY, LUNG, BONE):
            distance = disc.distance(rows, columns)
            inside &= np.abs(distance - disc.radius) > 0.45
        wrong[inside] = truth[inside] + 9.0
        return wrong

    _, numbers = qualities(change)
    for name in TISSUES:
        assert numbers[f"bias, {name}"].value == pytest.approx(9, abs=1e-3)


def test_where_there_is_no_tissue_nothing_is_measured():
    air = np.full((64, 64), -1000, np.float32)
    air[0, 0] = -990
    found = patient_quality([slice_quality(air, air, pixel_mm=1.0)], pixel_mm=1.0)
    numbers = {number.quantity: number for number in found.numbers}
    assert np.isnan(numbers["noise of the difference"].value)
    assert all(np.isnan(numbers[f"bias, {name}"].value) for name in TISSUES)
    assert len(found.curves[NOISE_POWER].values) == 0

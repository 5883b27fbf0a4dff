import numpy as np
import pytest
from image_files import make_config

from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.data.phantoms.drawing import Canvas, Ellipse, texture
from sisr_jax.data.phantoms.source import open_phantoms
from sisr_jax.data.phantoms.ultrasound import (
    log_compress,
    speckle,
    ultrasound_phantom,
)

DRAW = {
    "ct": lambda seed, index: ct_phantom(seed, index, 64),
    "ultrasound": lambda seed, index: ultrasound_phantom(seed, index, (64, 48)),
}


# Mean, and mean difference of neighbours in a row, of the first phantoms of seed 0.
DRAWN = {
    "ct": [
        (-750.25, 55.723),
        (-760.453, 33.455),
        (-780.3, 59.795),
        (-650.134, 75.467),
        (-609.58, 37.915),
        (-595.965, 43.599),
        (-761.785, 57.015),
        (-725.582, 68.073),
        (-720.165, 63.932),
        (-756.627, 59.158),
        (-786.142, 58.367),
        (-711.328, 59.475),
    ],
    "ultrasound": [
        (155.944, 11.645),
        (160.96, 12.472),
        (145.375, 13.953),
        (151.572, 14.29),
        (172.445, 12.444),
        (141.242, 13.644),
        (146.039, 11.396),
        (145.985, 12.513),
        (145.042, 13.476),
        (179.854, 13.593),
        (141.501, 14.916),
        (180.559, 12.459),
    ],
}


@pytest.mark.parametrize("kind", DRAW)
def test_what_is_drawn_is_a_contract(kind):
    """Runs and tables name phantoms by seed and index: drawn otherwise, they lie."""
    found = [DRAW[kind](0, index).astype(np.float64) for index in range(12)]
    numbers = [(each.mean(), np.abs(np.diff(each)).mean()) for each in found]
    np.testing.assert_allclose(numbers, DRAWN[kind], rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("kind", DRAW)
def test_phantom_is_a_function_of_seed_and_index(kind):
    draw = DRAW[kind]
    first = draw(1, 2)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, draw(1, 2))
    for other in (draw(1, 3), draw(2, 2), draw(2, 1)):
        assert np.corrcoef(first.ravel(), other.ravel())[0, 1] < 0.98
        assert np.mean(first != other) > 0.5


def test_ct_phantoms_hold_all_tissues_in_hounsfield_units():
    images = np.stack([ct_phantom(0, i, 128) for i in range(12)])
    assert images.min() >= -1024
    assert images.max() < 1800

    def share(low, high):
        return np.mean((images > low) & (images < high), axis=(1, 2))

    assert np.all(share(-1025, -930) > 0.2)  # air around the body
    assert np.all(share(-130, -70) > 0.02)  # fat
    assert np.all(share(0, 130) > 0.05)  # soft tissue
    assert np.all(share(350, 1800) > 0.003)  # bone
    lung = share(-920, -700) > 0.03
    assert 2 <= lung.sum() <= 10  # chests and abdomens
    # The corners are air: no anatomy is cut off.
    assert images[:, 0, 0].max() < -900


def test_ct_phantoms_are_not_piecewise_constant():
    image = ct_phantom(0, 1, 128)
    body = image[(image > -60) & (image < 150)]
    assert len(np.unique(np.round(body, 2))) > 1000


@pytest.mark.parametrize("draw", [lambda: ct_phantom(0, 0, 15)])
def test_phantoms_refuse_tiny_sizes(draw):
    with pytest.raises(ValueError, match="size = 15"):
        draw()
    with pytest.raises(ValueError, match=r"shape = \(64, 8\)"):
        ultrasound_phantom(0, 0, (64, 8))


def test_ellipse_area_follows_changes_far_below_a_pixel():
    canvas = Canvas(np.random.default_rng(0), shape=(64, 64), warp=0.0)

    def area(half):
        image = np.zeros((64, 64), np.float32)
        canvas.paint(image, Ellipse(0.013, -0.02, half, 0.6 * half, 0.4), 1.0)
        return image.sum() * (2 / 64) ** 2

    assert area(0.3) == pytest.approx(np.pi * 0.3 * 0.18, rel=6e-3)
    steps = [area(0.3 + 0.001 * i) for i in range(8)]  # 1/30 of a pixel each
    growth = np.diff(steps) / (2 * np.pi * 0.6 * 0.3035 * 0.001)
    np.testing.assert_allclose(growth, 1, atol=0.2)


def test_painting_window_contains_the_whole_warped_ellipse():
    rng = np.random.default_rng(0)
    canvas = Canvas(rng, shape=(48, 96), warp=0.1)
    ellipse = Ellipse(0.2, -0.3, 0.4, 0.2, 0.7)
    everywhere = canvas.coverage(ellipse, (slice(None), slice(None)))
    window = canvas.window(ellipse)
    assert np.count_nonzero(everywhere[window]) == np.count_nonzero(everywhere) > 0


def test_texture_has_unit_variance_and_lives_in_its_band():
    noise = texture(np.random.default_rng(0), shape=(128, 128), low=0.02, high=0.1)
    assert noise.dtype == np.float32
    assert noise.mean() == pytest.approx(0, abs=1e-4)
    assert noise.std() == pytest.approx(1, rel=1e-4)
    power = np.abs(np.fft.fft2(noise)) ** 2
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    assert power[f < 0.15].sum() > 0.97 * power.sum()


@pytest.fixture(scope="module")
def envelope():
    flat = np.ones((384, 384), np.float32)
    return speckle(np.random.default_rng(0), flat, np.zeros_like(flat))


def test_homogeneous_speckle_is_rayleigh(envelope):
    # Rayleigh: mean/std = sqrt(pi / (4 - pi)) = 1.913; median = sqrt(ln 2) * rms.
    assert envelope.mean() / envelope.std() == pytest.approx(1.913, rel=0.03)
    assert np.sqrt(np.mean(envelope**2)) == pytest.approx(1, rel=0.03)
    assert np.median(envelope) == pytest.approx(np.sqrt(np.log(2)), rel=0.03)
    thirds = [np.sqrt(np.mean(part**2)) for part in np.split(envelope, 3)]
    np.testing.assert_allclose(thirds, 1, rtol=0.06)  # at every depth


def test_speckle_is_longer_across_the_lines_than_in_depth(envelope):
    def correlation(axis, lag):
        a = np.delete(envelope, range(lag), axis)
        b = np.delete(envelope, range(envelope.shape[axis] - lag, 384), axis)
        return np.corrcoef(a.ravel(), b.ravel())[0, 1]

    assert correlation(1, 2) > 2 * correlation(0, 2)
    assert correlation(1, 1) > correlation(0, 1) > 0.1


def test_log_compression_spans_60_decibels():
    levels = log_compress(np.array([[1.0, 10.0], [1e3, 1e-3]]))
    np.testing.assert_allclose(levels, [[161.5, 246.5], [255, 0]], atol=1e-3)


def test_ultrasound_frames_hold_tissue_fluid_and_interfaces():
    frames = np.stack([ultrasound_phantom(0, i, (128, 96)) for i in range(12)])
    assert frames.min() >= 0
    assert frames.max() <= 255
    assert np.all((frames > 100).mean(axis=(1, 2)) > 0.3)
    assert np.mean((frames < 20).mean(axis=(1, 2)) > 0.002) > 0.5
    assert np.mean((frames == 255).any(axis=(1, 2))) > 0.5
    assert np.mean(frames == 255) < 0.1


def test_splits_share_no_phantom_and_do_not_move_with_each_other():
    config = make_config(shape=(32, 32))
    splits = {
        name: open_phantoms(config, name, seed=0)
        for name in ("train", "validation", "test")
    }
    assert [len(source) for source in splits.values()] == [7, 3, 5]
    names = [source.name(i) for source in splits.values() for i in range(len(source))]
    assert len(set(names)) == 15
    larger = open_phantoms(
        make_config(shape=(32, 32), num_phantoms=(70, 30, 5)), "test", seed=0
    )
    np.testing.assert_array_equal(splits["test"][2], larger[2])
    assert np.any(splits["test"][0] != splits["train"][0])
    with pytest.raises(IndexError):
        splits["test"][5]


@pytest.mark.parametrize(
    ("changes", "seed", "message"),
    [
        ({"num_phantoms": (1, 0, 1)}, 0, "num_phantoms = .*'validation'"),
        ({"shape": (16, 32)}, 0, "CT phantoms are square"),
        ({}, -1, "seed = -1"),
    ],
)
def test_impossible_collections(changes, seed, message):
    with pytest.raises(ValueError, match=message):
        open_phantoms(make_config(**changes), "validation", seed=seed)

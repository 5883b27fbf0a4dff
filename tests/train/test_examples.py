import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.degradation import modality_of
from sisr_jax.image.patches import random_crop
from sisr_jax.random import Stream, per_example, stream
from sisr_jax.train.examples import evaluation_example, training_example
from sisr_jax.types import Batch


@pytest.mark.parametrize(("name", "factor"), [("ct_srgan", 1), ("us_srgan", 4)])
def test_training_examples_are_aligned_crops_of_what_evaluation_sees(
    load_config, key, name, factor
):
    """Without symmetries, each training example is a window of the evaluation's."""
    symmetries = ("flip_horizontal", "flip_vertical", "rotate")
    config = load_config(name, **{f"augmentation__{s}": False for s in symmetries})
    rng = np.random.default_rng(0)
    hr = rng.uniform(size=(3, *config.data.shape, 1)).astype(np.float32)
    batch = Batch(jnp.asarray(hr), jnp.ones(3, bool), jnp.arange(3))
    degradation = modality_of(config).degrade(config)
    whole = evaluation_example(degradation, key, batch)
    crop = training_example(config, degradation, key, batch)
    height, width = config.data.patch
    assert crop.hr.shape == (3, height, width, 1)
    assert crop.estimate.shape == (3, height, width // factor, 1)
    for i in range(3):
        windows = np.lib.stride_tricks.sliding_window_view(
            hr[i, ..., 0], config.data.patch
        )
        matches = np.argwhere(np.all(windows == crop.hr[i, ..., 0], axis=(2, 3)))
        assert len(matches) == 1
        row, column = matches[0]
        if factor == 1:
            expected = whole.estimate[i, row : row + height, column : column + width]
        else:
            expected = crop.hr[i, :, ::factor]
        np.testing.assert_allclose(crop.estimate[i], expected, atol=1e-6)


def place_of(window, image):
    windows = np.lib.stride_tricks.sliding_window_view(image, window.shape)
    matches = np.argwhere(np.all(windows == window, axis=(2, 3)))
    return tuple(int(n) for n in matches[0]) if len(matches) else None


def test_crops_are_of_the_degraded_turned_image(load_config, key):
    """Turned first, then measured: a crop of each, of one place, of the same turn."""
    config = load_config("ct_srgan")
    rng = np.random.default_rng(0)
    hr = rng.uniform(size=(8, *config.data.shape, 1)).astype(np.float32)
    batch = Batch(jnp.asarray(hr), jnp.ones(8, bool), jnp.arange(8))
    degradation = modality_of(config).degrade(config)
    crop = training_example(config, degradation, key, batch)
    height, width = config.data.patch
    turns = set()
    for image, window, estimate in zip(hr, crop.hr, crop.estimate, strict=True):
        for turn in range(8):
            turned = np.rot90(image[::-1] if turn > 3 else image, turn)
            if place := place_of(np.asarray(window[..., 0]), turned[..., 0]):
                turns.add(turn)
                whole = degradation(key, jnp.asarray(turned)[None])[0]
                row, column = place
                expected = whole[row : row + height, column : column + width]
                np.testing.assert_allclose(estimate, expected, atol=1e-5)
                break
        else:
            raise AssertionError("a crop that is in no symmetry of its image")
    assert len(turns) > 3


@pytest.mark.parametrize("name", ["ct_srgan", "us_srgan"])
def test_crops_lie_in_many_places(load_config, key, name):
    symmetries = ("flip_horizontal", "flip_vertical", "rotate")
    config = load_config(name, **{f"augmentation__{s}": False for s in symmetries})
    degradation = modality_of(config).degrade(config)
    rng = np.random.default_rng(0)
    hr = rng.uniform(size=(1, *config.data.shape, 1)).astype(np.float32)
    places = []
    for first in (0, 40_000):  # of other steps
        images = jnp.asarray(np.repeat(hr, 12, 0))
        batch = Batch(images, jnp.ones(12, bool), first + jnp.arange(12))
        crop = training_example(config, degradation, key, batch)
        places += [
            place_of(np.asarray(each[..., 0]), hr[0, ..., 0]) for each in crop.hr
        ]
    assert None not in places
    assert len(set(places[:12])) > 6
    assert len(set(places[12:])) > 6
    assert places[:12] != places[12:]


@pytest.mark.parametrize("name", ["ct_srgan", "us_srgan"])
def test_crops_of_an_image_follow_each_other(load_config, key, batch, name):
    """Each is a window of its image, degraded; the first is that of one crop each."""
    symmetries = ("flip_horizontal", "flip_vertical", "rotate")
    values = {f"augmentation__{s}": False for s in symmetries}
    one, many = (
        load_config(name, **values, data__crops_per_image=count) for count in (1, 4)
    )
    degradation = modality_of(one).degrade(one)
    first = training_example(one, degradation, key, batch)
    crops = training_example(many, degradation, key, batch)
    keys = per_example(stream(key, Stream.CROP), batch.index)
    (cut,) = random_crop(keys, (batch.hr,), one.data.patch)
    np.testing.assert_array_equal(first.hr, cut)  # as runs of earlier versions cut it
    assert crops.hr.shape == (12, *one.data.patch, 1)
    for a, b in ((crops.hr, first.hr), (crops.estimate, first.estimate)):
        np.testing.assert_array_equal(a[::4], b)
    whole = evaluation_example(degradation, key, batch).estimate
    for i in range(3):
        places = set()
        for window, estimate in zip(
            np.asarray(crops.hr[4 * i : 4 * i + 4, ..., 0]),
            crops.estimate[4 * i : 4 * i + 4],
            strict=True,
        ):
            places.add(place := place_of(window, batch.hr[i, ..., 0]))
            row, column = place
            height, width = one.data.patch
            expected = whole[i, row : row + height, column : column + width]
            if name == "us_srgan":
                expected = window[:, ::4, None]
            np.testing.assert_allclose(estimate, expected, atol=1e-6)
        assert len(places) > 2


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    hr = rng.uniform(size=(3, 32, 32, 1)).astype(np.float32)
    return Batch(jnp.asarray(hr), jnp.ones(3, bool), jnp.arange(3))


@pytest.mark.parametrize("name", ["ct_srgan", "us_srgan"])
def test_whole_images_keep_their_measurement(load_config, key, batch, name):
    config = load_config(name, data__patch=(32, 32))
    degradation = modality_of(config).degrade(config)
    example = training_example(config, degradation, key, batch)
    assert example.hr.shape == batch.hr.shape
    assert not jnp.array_equal(example.hr, batch.hr)  # turned, and then measured
    estimate, values, operator = example.inputs
    np.testing.assert_allclose(values, operator(example.hr[..., 0]), atol=1e-5)
    again = degradation.estimate(example.measurement)
    np.testing.assert_array_equal(again, estimate)


def test_crops_of_what_was_measured_as_a_whole_have_no_measurement(
    load_config, key, batch
):
    ct, us = load_config("ct_srgan"), load_config("us_srgan")
    degradation = modality_of(ct).degrade(ct)
    assert training_example(ct, degradation, key, batch).measurement is None
    degradation = modality_of(us).degrade(us)
    crop = training_example(us, degradation, key, batch)
    _, values, operator = crop.inputs
    np.testing.assert_array_equal(values, operator(crop.hr[..., 0]))


class Recording:
    """A degradation that does nothing, and keeps the keys that it is given."""

    def __init__(self):
        self.keys = []

    def truth(self, keys, images):
        return images

    def target(self, truth):
        return truth

    def side_information(self, truth):
        return None

    def measure(self, keys, hr):
        self.keys.append(keys)
        return hr

    def estimate(self, measurement):
        return measurement


def test_no_crop_has_a_key_that_a_degradation_makes_of_another(load_config, key, batch):
    """Noise is drawn by key 1 of an image's key, views by the keys of a split."""
    config = load_config("us_srgan", data__crops_per_image=4)
    degradation = Recording()
    training_example(config, degradation, key, batch)
    (keys,) = degradation.keys
    assert keys.shape == (12,)
    first = per_example(stream(key, Stream.DEGRADE), batch.index)
    assert (keys[::4] == first).all()
    made = [jax.vmap(lambda k, n=n: jax.random.fold_in(k, n))(keys) for n in range(8)]
    data = np.asarray(jax.random.key_data(jnp.concatenate([keys, *made])))
    assert len(np.unique(data, axis=0)) == len(data)

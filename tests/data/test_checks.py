"""One rule for images without content, and windows that leave little of an image."""

import numpy as np
import pytest
from image_files import make_config

from sisr_jax.data.checks import Findings, check_images, load_content
from sisr_jax.data.pipeline import evaluation_batches, training_batches
from sisr_jax.errors import InputError

AIR = -1024.0


class Slices:
    """Slices whose content starts at their index; some of them hold only air."""

    def __init__(self, count, air=(), values=None):
        self.count, self.air, self.values = count, air, values

    def __len__(self):
        return self.count

    def name(self, index):
        return f"slice {index}"

    def __getitem__(self, index):
        if index in self.air:
            return np.full((16, 16), AIR, np.float32)
        if self.values is not None:
            return self.values.astype(np.float32)
        return (2 * np.arange(256.0).reshape(16, 16) + 100 * index).astype(np.float32)


CONFIG = make_config(window=(-1000.0, 1000.0))


def first_values(source, *, step, count):
    """The first pixel of some training examples, in HU."""
    values = []
    with training_batches(source, CONFIG, seed=0, start_step=step) as batches:
        while len(values) < count:
            values += np.rint(next(batches).hr[:, 0, 0, 0] * 2000 - 1000).tolist()
    return values[:count]


def test_turn_of_an_empty_slice_goes_to_the_next_one():
    source = Slices(5, air=(1, 2, 4))
    images = [load_content(source, CONFIG, i)[0, 0] * 2000 - 1000 for i in range(5)]
    np.testing.assert_allclose(images, [0, 300, 300, 300, 0], atol=1e-3)
    epochs = first_values(source, step=0, count=15)
    assert sorted(epochs[:5]) == [0, 0, 300, 300, 300]
    assert first_values(source, step=1, count=11) == epochs[4:]


def test_empty_slice_has_no_score():
    with evaluation_batches(Slices(5, air=(1, 4)), CONFIG, batch_size=4) as batches:
        masks = [batch.mask.tolist() for batch in batches]
    assert masks == [[True, False, True, True], [False] * 4]


def test_empty_slices_are_counted():
    found = check_images(Slices(5, air=(1, 4)), CONFIG)
    assert (found.images, found.constant) == (5, 2)
    assert found.remarks() == [
        "2 of 5 images are constant after config.data.window and left out"
    ]
    assert check_images(Slices(5), CONFIG).remarks() == []


def test_processes_share_the_work():
    found = [
        check_images(Slices(5, air=(1, 3)), CONFIG, process_index=i, process_count=2)
        for i in range(1)
    ]
    assert [(f.images, f.constant) for f in found] == [(3, 0)]
    empty = check_images(Slices(1), CONFIG, process_index=1, process_count=2)
    assert empty == Findings()


def test_nothing_but_empty_slices():
    source = Slices(3, air=(0, 1, 2))
    message = "slice 0 and all of 3 images are constant after config.data.window"
    with pytest.raises(InputError, match=message):
        check_images(source, CONFIG)
    with pytest.raises(InputError, match=message):
        next(training_batches(source, CONFIG, seed=0, start_step=0))


def ct_like():
    """Shares of a chest: half air, lung, fat, soft tissue, a little bone."""
    values = np.repeat([-1000, -850, -100, 40, 60, 700], [128, 40, 30, 30, 20, 8])
    return values.reshape(16, 16) + np.random.default_rng(0).normal(0, 5, (16, 16))


@pytest.mark.parametrize(
    ("window", "remarks"),
    [
        ((-1000.0, 1000.0), []),
        ((-1024.0, 3071.0), []),
        ((-160.0, 240.0), ["config.data.window clips 69% of all pixels"]),
        ((0.0, 255.0), ["config.data.window clips 80% of all pixels"]),
        ((-9000.0, 9000.0), ["the images fill 9.5% of config.data.window"]),
    ],
)
def test_window_that_leaves_little_is_remarked(window, remarks):
    source = Slices(2, values=ct_like())
    found = check_images(source, make_config(window=window)).remarks()
    assert len(found) == len(remarks)
    for line, start in zip(found, remarks, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ((500.0, 900.0), r"window = \(500.0, 900.0\): clips 97% of the pixels"),
        ((-3000.0, 90000.0), r"fill 1\.8% of it \(the first is slice 0\)"),
        ((-2000.0, -1500.0), "all of 2 images are constant"),
    ],
)
def test_window_that_leaves_nothing_is_refused(window, message):
    with pytest.raises(InputError, match=message) as error:
        check_images(Slices(2, values=ct_like()), make_config(window=window))
    assert "\n" not in str(error.value)


def test_values_of_another_unit_are_refused():
    unit = np.linspace(0, 1, 256).reshape(16, 16)
    with pytest.raises(InputError, match=r"fill 0\.4% of it"):
        check_images(Slices(2, values=unit), make_config(window=(0.0, 255.0)))

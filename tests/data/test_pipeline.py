import itertools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from image_files import make_config, ramp, write_png

from sisr_jax.data.pipeline import evaluation_batches, training_batches
from sisr_jax.data.sources import open_source
from sisr_jax.data.transforms import random_crop
from sisr_jax.random import Stream


class Numbered:
    """Images that say who they are: the mean of image i encodes i."""

    def __init__(self, count, size=(20, 24)):
        self._count = count
        self._size = size

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        image = ramp(self._size, np.float32, 0) * (9 / np.prod(self._size))
        return (image + 10 * index).astype(np.float32)

    def name(self, index):
        return f"numbered {index}"


CONFIG = make_config(fit="crop", window=(0.0, 1000.0))


def who(batch):
    """Source index of each example (the ramp stays below 10)."""
    return [int(image.min() * 1000 + 0.5) // 10 for image in batch.hr]


def take(count, source=None, config=CONFIG, seed=5, start_step=0, rows=None):
    source = source or Numbered(7)
    with training_batches(
        source, config, seed=seed, start_step=start_step, rows=rows
    ) as batches:
        return list(itertools.islice(batches, count))


def assert_same(a, b):
    for left, right in zip(a, b, strict=True):
        for x, y in zip(left, right, strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)


def test_batch_contract():
    batch = take(1)[0]
    assert batch.hr.shape == (4, 16, 16, 1)
    assert batch.hr.dtype == np.float32
    assert batch.hr.min() >= 0
    assert batch.hr.max() <= 1
    assert batch.mask.tolist() == [True] * 4
    assert batch.mask.dtype == np.bool_
    assert batch.index.tolist() == [0, 1, 2, 3]
    assert batch.index.dtype == np.int32


def test_batches_are_a_function_of_seed_and_step():
    assert_same(take(6), take(6))
    assert [who(b) for b in take(6)] != [who(b) for b in take(6, seed=6)]


def test_every_epoch_visits_every_image_in_another_order():
    visits = np.concatenate([who(b) for b in take(7)]).reshape(4, 7)
    assert all(sorted(epoch) == list(range(7)) for epoch in visits)
    assert len({tuple(epoch) for epoch in visits}) > 1


@pytest.mark.parametrize("start", [1, 2, 5])
@pytest.mark.parametrize("num_threads", [1, 3])
def test_resume_by_slicing_is_bit_identical(start, num_threads):
    config = make_config(fit="crop", window=(0.0, 1000.0), num_threads=num_threads)
    whole = take(9)  # 36 examples: crosses the borders of 7-image epochs
    rest = take(9 - start, config=config, start_step=start)
    assert_same(whole[start:], rest)


@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("shares", [[(0, 1), (2, 3)], [(0, 2), (3,), (1,)]])
def test_processes_read_the_same_global_batches(start, shares):
    whole = take(5, start_step=start)
    for rows in shares:
        part = take(5, start_step=start, rows=rows)
        assert_same(
            [tuple(field[list(rows)] for field in batch) for batch in whole], part
        )


def test_crops_differ_between_epochs_and_depend_on_the_seed():
    source = Numbered(1)
    batches = take(3, source=source)
    corners = {image.tobytes() for batch in batches for image in batch.hr}
    assert len(corners) > 6  # of 12 crops of one image
    assert np.any(batches[0].hr != take(1, source=source, seed=6)[0].hr)


def test_a_crop_follows_from_seed_and_index():
    """By a stream of its own, so that a run can be resumed by a later version."""
    source = Numbered(1)
    [batch] = take(1, source=source, start_step=3)
    for image, index in zip(batch.hr, batch.index, strict=True):
        rng = np.random.default_rng([5, int(Stream.CROP), int(index)])
        expected = random_crop(source[0] / np.float32(1000), CONFIG.shape, rng=rng)
        np.testing.assert_allclose(image[..., 0], expected, rtol=1e-6)


def test_no_two_examples_of_a_run_share_their_crop():
    """Whatever a counter could be cut off at: thousands, powers of two."""
    source = Numbered(1, size=(400, 400))
    steps = [0, 25, 250, 256, 2500, 2**12, 2**14, 2**16, 2**24, 10**6]
    found = [take(1, source=source, start_step=step)[0] for step in steps]
    corners = {image.tobytes() for batch in found for image in batch.hr}
    assert len(corners) == 4 * len(steps)
    for step, batch in zip(steps, found, strict=True):
        assert batch.index.tolist() == [4 * step + i for i in range(4)]


@pytest.mark.parametrize("count", [1, 3])
def test_fewer_images_than_a_batch_still_train(count):
    batches = take(3, source=Numbered(count))
    visits = np.concatenate([who(b) for b in batches])
    assert len(visits) == 12
    assert set(visits) == set(range(count))


@pytest.mark.parametrize(("count", "num_batches"), [(7, 2), (8, 2), (9, 3), (1, 1)])
def test_evaluation_is_in_order_with_a_masked_tail(count, num_batches):
    source = Numbered(count)
    batches = list(evaluation_batches(source, CONFIG, batch_size=4))
    assert len(batches) == num_batches
    hr, mask, index = (np.concatenate(field) for field in zip(*batches, strict=True))
    assert index.tolist() == list(range(4 * num_batches))
    assert mask.tolist() == [i < count for i in range(4 * num_batches)]
    np.testing.assert_array_equal(hr[count:], 0)
    for i in range(count):  # central crop of 20 x 24 to 16 x 16
        np.testing.assert_allclose(
            hr[i, ..., 0], source[i][2:18, 4:20] / 1000, rtol=1e-6
        )
    assert index.dtype == np.int32


def test_evaluation_on_two_processes():
    source = Numbered(5)  # the second process runs out of images one batch early
    whole = list(evaluation_batches(source, CONFIG, batch_size=4))
    parts = [
        list(
            evaluation_batches(
                source, CONFIG, batch_size=4, rows=range(2 * p, 2 * p + 2)
            )
        )
        for p in range(2)
    ]
    assert [len(part) for part in parts] == [2, 2]
    for p, part in enumerate(parts):
        rows = slice(2 * p, 2 * p + 2)
        assert_same([tuple(field[rows] for field in batch) for batch in whole], part)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rows": (2, 4)},
            r"rows = \(2, 4\): expected rows of config\.data\.batch_size",
        ),
        ({"rows": ()}, r"rows = \(\)"),
        ({"rows": (-1,)}, r"rows = \(-1,\)"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 2**32}, "seed = 4294967296"),
        ({"start_step": -1}, "start_step = -1"),
        ({"source": Numbered(0)}, "the source has no images"),
    ],
)
def test_bad_arguments(changes, message):
    arguments = {"source": Numbered(3), "seed": 0, "start_step": 0} | changes
    source = arguments.pop("source")
    with pytest.raises(ValueError, match=message):
        training_batches(source, CONFIG, **arguments)


def bad_image(folder, kind):
    values = ramp((16, 16), np.float32)
    if kind == "nan":
        values[3, 4] = np.nan
        np.savez(folder / "P1__bad.npz", values)
    if kind == "damaged":
        noise = np.random.default_rng(0).integers(0, 65535, (16, 16), np.uint16)
        path = write_png(folder / "P1__bad.png", noise)
        data = bytearray(path.read_bytes())
        data[100:130] = bytes(30)
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nan", r"P1__bad\.npz: 1 of 256 pixels are NaN"),
        ("damaged", r"P1__bad\.png: truncated or damaged"),
    ],
)
@pytest.mark.parametrize("use", ["training", "evaluation"])
def test_unfit_images_are_named_by_the_iterator(tmp_path, kind, message, use):
    bad_image(tmp_path, kind)
    config = make_config(source="folder", path=str(tmp_path))
    source = open_source(config, "train", seed=0)
    if use == "training":
        batches = training_batches(source, config, seed=0, start_step=0)
    else:
        batches = evaluation_batches(source, config, batch_size=2)
    with pytest.raises(ValueError, match=message) as error:
        next(batches)
    assert "\n" not in str(error.value)
    with pytest.raises(StopIteration):  # closed, not half alive
        next(batches)


def test_image_replaced_by_a_smaller_one_after_opening(tmp_path):
    path = write_png(tmp_path / "P1__0.png", ramp())
    config = make_config(source="folder", path=str(tmp_path))
    source = open_source(config, "train", seed=0)
    write_png(path, ramp((8, 8)))
    with pytest.raises(ValueError, match=r"P1__0\.png is 8x8, expected 16x16"):
        next(training_batches(source, config, seed=0, start_step=0))


def grain_threads():
    return [t for t in threading.enumerate() if t.name.startswith("grain-prefetch")]


def test_close_ends_the_threads():
    before = set(grain_threads())
    batches = training_batches(Numbered(3), CONFIG, seed=0, start_step=0)
    next(batches)
    started = set(grain_threads()) - before
    assert started
    batches.close()
    batches.close()
    for thread in started:
        thread.join(timeout=10)
        assert not thread.is_alive()


def test_process_that_forgets_to_close_exits_silently():
    code = """
from sisr_jax.data.pipeline import training_batches
from test_pipeline import CONFIG, Numbered
batches = training_batches(Numbered(3), CONFIG, seed=0, start_step=0)
next(batches)
"""
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, [here, here.parent, here.parents[1]]))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_rate_counts_images_and_waiting():
    class Slow(Numbered):
        def __getitem__(self, index):
            time.sleep(0.02)
            return super().__getitem__(index)

    config = make_config(fit="crop", window=(0.0, 1000.0), num_threads=1)
    with evaluation_batches(Slow(6), config, batch_size=4) as batches:
        assert batches.rate == (0, 0, 0)
        assert batches.rate.images_per_second == 0
        next(batches)
        first = batches.rate
        assert first.images == 4
        assert first.waited == pytest.approx(first.seconds)
        assert first.seconds >= 4 * 0.02
        time.sleep(0.3)  # the second batch is decoded meanwhile
        next(batches)
        rate = batches.rate
        assert rate.images == 6  # padding is no image
        assert rate.seconds >= first.seconds + 0.3
        assert rate.waited < rate.seconds - 0.2
        assert rate.images_per_second == pytest.approx(6 / rate.seconds)
        with pytest.raises(StopIteration):
            next(batches)
        assert batches.rate == rate

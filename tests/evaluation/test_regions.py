import dataclasses

import numpy as np
import pytest

from sisr_jax.data.pipeline import evaluation_batches
from sisr_jax.data.sources import CachedSource
from sisr_jax.errors import InputError
from sisr_jax.evaluation.regions import Regions, regions_of


class Records:
    """Ramps of 40 x 36 pixels with the given boxes."""

    def __init__(self, *details):
        self._details = details

    def __len__(self):
        return len(self._details)

    def __getitem__(self, index):
        return np.arange(40 * 36, dtype=np.float32).reshape(40, 36) / 6

    def name(self, index):
        return f"record {index}"

    def details(self, index):
        return self._details[index]


@pytest.fixture
def data(load_config):
    return load_config("us_srgan").data  # 32 x 32, cropped


def batches_of(source, data):
    with evaluation_batches(source, data, batch_size=4) as batches:
        return list(batches)


def test_boxes_become_masks_that_follow_the_crop(data):
    # Columns first; the crop takes 4 rows and 2 columns off at the start.
    lesions = [[4.0, 10.0, 6.0, 12.0], [30.5, 20.2, 99.0, 21.9]]
    records = Records({"boxes": np.array(lesions)}, {"boxes": np.zeros((0, 4))})
    source = CachedSource(records, max_bytes=2**20)
    (batch,) = batches_of(source, data)
    regions = regions_of(source, data)(batch)
    expected = np.zeros((4, 32, 32, 1), bool)
    expected[0, 6:9, 2:5] = True
    expected[0, 16:18, 28:32] = True
    np.testing.assert_array_equal(regions.lesions, expected)
    assert regions._replace(lesions=None) == Regions()


@pytest.mark.parametrize(
    "boxes", [np.zeros(6), np.full((1, 4), np.nan), b"text", np.array([b"a"] * 4)]
)
def test_boxes_that_are_none_are_one_line(data, boxes):
    source = Records({"boxes": boxes})
    (batch,) = batches_of(source, data)
    with pytest.raises(InputError, match=r"record 0: lesions: box .* four for each"):
        regions_of(source, data)(batch)


def test_a_box_without_an_end_reaches_the_edge(data):
    source = Records({"boxes": np.array([[-1e300, 36.0, 1e300, 1e300]])})
    (batch,) = batches_of(source, data)
    whole = dataclasses.replace(data, shape=(40, 36), patch=(40, 36))
    mask = regions_of(source, whole)(batch).lesions[0, ..., 0]
    assert mask[36:].all()
    assert not mask[:36].any()


def test_a_box_outside_of_the_image_marks_nothing(data):
    outside = [[-9.0, -9.0, -2.0, -2.0], [8.0, -5.0, 20.0, -1.5], [70.0, 0, 80.0, 9.0]]
    source = Records({"boxes": np.array(outside)})
    whole = dataclasses.replace(data, shape=(40, 36), patch=(40, 36))
    (batch,) = batches_of(source, data)
    assert not regions_of(source, whole)(batch).lesions.any()


def test_every_region_has_its_feature(data):
    box = np.array([[8.0, 8.0, 9.0, 9.0]])
    names = ("speckle_boxes", "inside_boxes", "outside_boxes")
    source = Records({name: box + 4 * i for i, name in enumerate(names)})
    (batch,) = batches_of(source, data)
    regions = regions_of(source, data)(batch)
    assert regions.lesions is None
    for i, mask in enumerate((regions.speckle, regions.inside, regions.outside)):
        rows, columns = np.nonzero(mask[0, ..., 0])
        assert (rows.min(), columns.min()) == (4 + 4 * i, 6 + 4 * i)
        assert mask.sum() == 4


def test_sources_without_records_have_no_regions(data):
    (batch,) = batches_of(Records({}), data)
    assert regions_of(Records({"age": 3}), data)(batch) == Regions()


def test_a_box_that_is_not_finite(data):
    source = Records({"boxes": np.array([[1.0, np.nan, 2.0, 3.0]])})
    (batch,) = batches_of(source, data)
    with pytest.raises(ValueError, match=r"record 0: lesions: box .*nan.*finite"):
        regions_of(source, data)(batch)

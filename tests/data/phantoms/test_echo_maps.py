"""Maps of echo strength: a contract, and regions that are what they are called."""

import numpy as np
import pytest
from image_files import make_config

from sisr_jax.data.phantoms.echo_map import CEILING_DB, echo_map
from sisr_jax.data.sources import details, open_source
from sisr_jax.errors import InputError

# Mean, and mean difference of neighbours in a row, of the first maps of seed 0.
DRAWN = [(-27.240, 0.908), (-19.817, 0.539), (-25.452, 0.713), (-15.337, 0.577)]


def test_what_is_drawn_is_a_contract():
    """Runs and tables name maps by seed and index: drawn otherwise, they lie."""
    found = [echo_map(0, i, (64, 48)).level.astype(np.float64) for i in range(4)]
    numbers = [(each.mean(), np.abs(np.diff(each)).mean()) for each in found]
    np.testing.assert_allclose(numbers, DRAWN, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("shape", [(128, 128), (96, 160)])
def test_regions_are_what_they_are_called(shape):
    for index in range(24):
        drawn = echo_map(1, index, shape)
        assert drawn.level.max() <= CEILING_DB
        levels = []
        for box in (drawn.inside, drawn.outside):
            left, top, right, bottom = box[0].astype(int)
            assert 0 <= left < right < shape[1]
            assert 0 <= top < bottom < shape[0]
            region = drawn.level[top : bottom + 1, left : right + 1]
            assert np.ptp(region) < 0.01
            levels.append(region.mean())
        assert levels[0] < levels[1] - 5


def test_shadows_fall_along_columns():
    """Below a stone all is darker than it is beside the shadow."""
    falls = 0
    for index in range(40):
        level = echo_map(2, index, (128, 128)).level
        stones = np.argwhere(level[:100] > -8.5)
        if len(stones):
            row, column = stones[len(stones) // 2]
            below = level[row + 20 :, column]
            falls += bool(np.median(below) < np.median(level[row + 20 :]) - 3)
    assert falls >= 3


def test_a_source_brings_the_regions_along():
    config = make_config(source="echo_maps", shape=(32, 48), patch=(32, 48))
    source = open_source(config, "test", seed=3)
    assert len(source) == 5
    assert source.name(2) == "echo_map_2000000002"
    drawn = echo_map(3, 2_000_000_002, (32, 48))
    np.testing.assert_array_equal(source[2], drawn.level)
    found = details(source, 2)
    np.testing.assert_array_equal(found["inside_boxes"], drawn.inside)
    np.testing.assert_array_equal(found["speckle_boxes"], found["outside_boxes"])
    with pytest.raises(IndexError, match="index 5 of 5 maps"):
        details(source, 5)


def test_small_shapes_are_refused():
    with pytest.raises(InputError, match="16x16 or more"):
        echo_map(0, 0, (16, 8))

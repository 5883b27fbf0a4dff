"""Images without an axis of channels are refused in one line."""

import inspect

import numpy as np
import pytest

from sisr_jax.image.intensity import own_range
from sisr_jax.image.padding import pad_to_multiple
from sisr_jax.image.resize import aligned_columns, half_pixel_columns
from sisr_jax.image.shuffle import depth_to_space, depth_to_width, space_to_depth
from sisr_jax.metrics import noise_power_spectrum, regional_bias

IMAGE = np.zeros((4, 8), np.float32)


def refuse(function, *arguments, **options):
    # As users have it: tests check the shapes of annotations before.
    with pytest.raises(ValueError, match="expected ") as caught:
        inspect.unwrap(function)(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("function", [aligned_columns, half_pixel_columns])
def test_columns_of_two_axes(function):
    message = "image of shape (4, 8): expected [*batch, height, width, channels]"
    assert refuse(function, IMAGE, factor=2) == message


@pytest.mark.parametrize("function", [depth_to_space, depth_to_width, space_to_depth])
def test_shuffles_of_two_axes(function):
    assert "image of shape (4, 8): expected [*batch, " in refuse(function, IMAGE, 2)


def test_other_functions_of_two_axes():
    assert "image of shape (4, 8): expected [*batch, " in refuse(own_range, IMAGE)
    assert "(4, 8): expected [*batch, " in refuse(pad_to_multiple, IMAGE, multiple=4)
    message = "regions of shape (4, 8): expected [*batch, regions, height, width]"
    assert refuse(noise_power_spectrum, IMAGE, pixel_mm=1.0) == message
    assert refuse(regional_bias, IMAGE, IMAGE) == message

"""What weights were trained for: the pixels of an image."""

import dataclasses

import numpy as np
import pytest
from networks import random_restorer

from sisr_jax.errors import InputError
from sisr_jax.inference.trained_for import (
    check_device,
    check_simulation,
    unusual_spacing,
    unusual_views,
)
from sisr_jax.tomography import ParallelBeam


def with_card(kind, **card):
    return dataclasses.replace(random_restorer(kind), card=card)


@pytest.mark.parametrize(
    ("card", "spacing", "words"),
    [
        ({"spacing_mm": [0.5, 1.0]}, (0.7, 0.7), ""),
        ({"spacing_mm": [0.5, 1.0]}, (1.004, 1.004), ""),
        ({"spacing_mm": [0.5, 1.0]}, (1.5, 1.5), "of 1.5 mm, and these weights were"),
        ({"spacing_mm": [0.5, 1.0]}, (0.2, 0.2), "trained with 0.5 to 1 mm"),
        ({"spacing_mm": [0.5, 1.0]}, (0.7, 0.8), "of 0.7 x 0.8 mm, and the geometry"),
        ({"spacing_mm": [0.5, 1.0]}, None, ""),
        # The images of the training did not say it.
        ({"spacing_mm": None}, (9.0, 9.0), ""),
        ({}, (0.7, 1.4), "square ones"),
    ],
)
def test_pixels_unlike_those_of_the_training_are_told(card, spacing, words):
    found = unusual_spacing(with_card("unet", **card), spacing)
    assert words in found
    assert bool(found) == bool(words)


def test_columns_have_no_square_pixels():
    assert unusual_spacing(with_card("columns"), (0.1, 0.8)) == ""


@pytest.mark.parametrize("factor", [1, 17])
def test_columns_are_kept_as_the_card_says(factor):
    restorer = with_card("any columns", factors=[2, 16])
    for known in (2, 3, 16):
        check_simulation(restorer, known)
    with pytest.raises(InputError, match=f"one of {factor} columns: .* of 2 to 16"):
        check_simulation(restorer, factor)


def test_without_a_card_columns_are_kept_as_in_training():
    restorer = with_card("columns")
    factor = restorer.config.degradation.factor
    check_simulation(restorer, factor)
    with pytest.raises(InputError, match=f"of 8 columns: .* are for one of {factor}"):
        check_simulation(restorer, 8)


def test_devices_of_another_kind_are_refused():
    ct, us = with_card("unet"), with_card("columns")
    for restorer, codes in (ct, ("CT", "")), (us, ("US", "IVUS", "")):
        for code in codes:
            check_device(restorer, code)
    with pytest.raises(InputError, match="an image of US, and these weights are for C"):
        check_device(ct, "US")
    with pytest.raises(InputError, match=r"image of CT, .* are for IVUS or US"):
        check_device(us, "CT")


EVEN = np.linspace(0.3, 0.3 + np.pi, 40, endpoint=False)


@pytest.mark.parametrize(
    ("angles", "words"),
    [
        (EVEN, ""),
        (ParallelBeam(8, 1000).every(16).angles, ""),
        (np.linspace(0, 2 * np.pi, 80, endpoint=False), ""),  # each line twice
        (np.linspace(0, 2 * np.pi, 81), ""),  # and the first view once more
        (np.linspace(-9, -9 + 2 * np.pi, 63, endpoint=False), ""),
        (np.delete(EVEN, 7), ""),
        (np.delete(EVEN, [7, 8, 9]), "no view within 18 degrees"),
        (np.linspace(0, np.pi / 6, 40), "no view within 150 degrees"),
        (np.linspace(0, 3 * np.pi / 4, 135), "over 180, here by 1.33"),
    ],
)
def test_views_that_are_not_spread_as_in_training_are_told(angles, words):
    found = unusual_views(ParallelBeam(8, angles=angles))
    assert words in found
    assert bool(found) == bool(words)

"""Splits by position, for data of one patient.

Of every series, volume or folder the first 80 % of the images are for training, the
next 10 % for validation, the last for the test. Neighbours look alike, so a few images
at each border are in no split. Scores then tell how well other slices of the same
patient are restored, and nothing of other patients.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from sisr_jax.data.splits import Split

_TRAIN, _VALIDATION = 0.8, 0.9
# Shorter ones are for training as a whole.
_SHORTEST = 10
# One in so many images is left out at each border.
_GAP = 40

T = TypeVar("T")


def cut_by_position(
    images: Sequence[T], split: Split, *, series_of: Callable[[T], Hashable]
) -> list[T]:
    """The images of a split, in order.

    Args:
        images: All images, in the order of their positions.
        split: Which split.
        series_of: What is equal for the images of a series.
    """
    series: dict[Hashable, list[T]] = {}
    for image in images:
        series.setdefault(series_of(image), []).append(image)
    return [image for each in series.values() for image in _cut(each, split)]


def _cut(images: Sequence[T], split: Split) -> Sequence[T]:
    count = len(images)
    if count < _SHORTEST:
        return images if split == "train" else []
    gap = count // _GAP
    train, validation = int(_TRAIN * count), int(_VALIDATION * count)
    borders = {
        "train": (0, train - gap),
        "validation": (train, validation - gap),
        "test": (validation, count),
    }
    first, end = borders[split]
    return images[first:end]

"""Regions that records bring along: where a number is asked for by itself."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sisr_jax.config import Data
from sisr_jax.data.sources import Source, details
from sisr_jax.data.transforms import central_crop
from sisr_jax.errors import InputError, one_line
from sisr_jax.types import Batch


class Regions(NamedTuple):
    """Masks bool `[batch, height, width, 1]`; None where the data has no such region.

    Attributes:
        lesions: Inside any lesion box.
        speckle: Homogeneous tissue (ultrasound).
        inside: In a lesion or cyst (ultrasound) that stands against `outside`.
        outside: The background of `inside`, at its depth.
    """

    lesions: Any = None
    speckle: Any = None
    inside: Any = None
    outside: Any = None


# What a record calls the boxes `[n, 4]` of each region: first column, first row,
# last column and last row in pixels.
_FEATURES = {
    "lesions": "boxes",
    "speckle": "speckle_boxes",
    "inside": "inside_boxes",
    "outside": "outside_boxes",
}


def regions_of(source: Source, config: Data) -> Callable[[Batch], Regions]:
    """A function from an evaluation batch to the regions of its images.

    Which regions there are is decided by the first record. Regions follow the
    central crop of their image; padding has empty ones.

    Args:
        source: The split that the batches are of.
        config: The data section.
    """
    available = details(source, 0)
    features = {k: v for k, v in _FEATURES.items() if v in available}

    def regions(batch: Batch) -> Regions:
        if not features:
            return Regions()
        masks = {
            name: np.zeros((len(batch.mask), *config.shape, 1), bool)
            for name in features
        }
        for row in np.flatnonzero(batch.mask):
            index = int(batch.index[row])
            shape, record = config.shape, details(source, index)
            if config.fit == "crop":
                shape = source[index].shape
            for name, feature in features.items():
                mask = _inside(record[feature], shape, f"{source.name(index)}: {name}")
                masks[name][row, ..., 0] = central_crop(mask, config.shape)
        return Regions(**masks)

    return regions


def _inside(boxes: Any, shape: tuple[int, ...], label: str) -> np.ndarray:
    """Pixels that any of the boxes touches."""
    boxes = np.asarray(boxes)
    is_number = boxes.dtype.kind in "uif"
    if not is_number or boxes.size % 4 or not np.isfinite(boxes).all():
        raise InputError(
            f"{label}: box {one_line(boxes.tolist())}, expected finite numbers, four "
            "for each"
        )
    boxes = boxes.astype(np.float64).reshape(-1, 4)
    inside, ends = np.zeros(shape, bool), shape[1::-1]
    first = np.clip(np.floor(boxes[:, :2]), 0, ends).astype(int)
    last = np.clip(np.floor(boxes[:, 2:]) + 1, 0, ends).astype(int)
    for (left, top), (right, bottom) in zip(first, last, strict=True):
        inside[top:bottom, left:right] = True
    return inside

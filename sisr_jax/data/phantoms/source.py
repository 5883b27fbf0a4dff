"""Procedural images as a source: nothing to download, nothing to store."""

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np

from sisr_jax.config import Data
from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.data.phantoms.echo_map import EchoMap, echo_map
from sisr_jax.data.phantoms.ultrasound import ultrasound_phantom
from sisr_jax.data.splits import Split
from sisr_jax.errors import InputError

# Splits are ranges of the index, this far apart: changing the size of one leaves
# the images of the others as they were.
_STRIDE = 10**9
_ORDER: tuple[Split, ...] = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class PhantomSource:
    """A range of a procedural collection.

    Attributes:
        draw: Index to a float32 image in physical units.
        kind: What the names start with.
        start: Index of the first image.
        count: Number of images.
    """

    draw: Callable[[int], np.ndarray]
    kind: str
    start: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < self.count:
            raise IndexError(f"index {index} of {self.count} phantoms")
        return self.draw(self.start + index)

    def name(self, index: int) -> str:
        """Kind and index in the collection, such as `ct_phantom_000000007`."""
        return f"{self.kind}_{self.start + index:09d}"


@dataclasses.dataclass(frozen=True)
class EchoMapSource:
    """A range of a collection of echo maps, with the regions of each.

    Attributes:
        seed: Of the collection.
        shape: Of the maps.
        start: Index of the first.
        count: Number of maps.
    """

    seed: int
    shape: tuple[int, int]
    start: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> np.ndarray:
        return self._draw(index).level

    def name(self, index: int) -> str:
        """Index in the collection, such as `echo_map_000000007`."""
        return f"echo_map_{self.start + index:09d}"

    def details(self, index: int) -> dict[str, np.ndarray]:
        """Boxes of the regions that numbers are measured in."""
        drawn = self._draw(index)
        return {
            "inside_boxes": drawn.inside,
            "outside_boxes": drawn.outside,
            "speckle_boxes": drawn.outside,
        }

    def _draw(self, index: int) -> EchoMap:
        if not 0 <= index < self.count:
            raise IndexError(f"index {index} of {self.count} maps")
        return echo_map(self.seed, self.start + index, self.shape)


def open_phantoms(
    config: Data, split: Split, *, seed: int
) -> PhantomSource | EchoMapSource:
    """The procedural images of one split.

    Args:
        config: The data section; `source` is `ct_phantoms`, `ultrasound_phantoms` or
            `echo_maps`.
        split: Which range of indices; ranges never meet.
        seed: Seed of the collection, at least 0.

    Raises:
        InputError: If the split has no images, the seed is negative, or the shape
            is not one that can be drawn.
    """
    position = _ORDER.index(split)
    count = config.num_phantoms[position]
    if not 1 <= count <= _STRIDE:
        raise InputError(
            f"config.data.num_phantoms = {config.num_phantoms}: expected 1 to "
            f"{_STRIDE} images in split {split!r}"
        )
    if seed < 0:
        raise InputError(f"seed = {seed}: expected 0 or more")
    height, width = config.shape
    if config.source == "echo_maps":
        return EchoMapSource(seed, config.shape, position * _STRIDE, count)
    if config.source == "ct_phantoms":
        if height != width:
            raise InputError(
                f"config.data.shape = {config.shape}: CT phantoms are square"
            )
        kind, draw = "ct_phantom", partial(ct_phantom, seed, size=height)
    else:
        kind = "ultrasound_phantom"
        draw = partial(ultrasound_phantom, seed, shape=(height, width))
    return PhantomSource(draw, kind, position * _STRIDE, count)

"""Whether the images of a split can be used, before training is built on them.

One rule for images without content: a slice that is constant after
`config.data.window` (nothing but air) teaches nothing and cannot be scored. It is left
out: in training its turn goes to the next image, in evaluation it gets no score.
"""

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from sisr_jax.config import Data
from sisr_jax.data.sources import CACHE_BYTES, Source
from sisr_jax.data.transforms import (
    check_finite,
    check_fit,
    clipped_share,
    filled_share,
    is_constant,
    to_unit_range,
)
from sisr_jax.errors import InputError

# Shares of pixels that the window clips. Two thirds of a CT slice lie outside of a
# window of soft tissue, five sixths outside of (0, 255) HU.
_MANY_CLIPPED, _TOO_MANY_CLIPPED = 0.5, 0.95
# Shares of the window that the values fill. Levels of 255 fill an eighth of a usual
# window of CT; values in [0, 1] fill a 255th of a window of levels.
_LITTLE_FILLED, _TOO_LITTLE_FILLED = 0.2, 0.02


class Findings(NamedTuple):
    """What was seen of some images.

    Attributes:
        images: How many were seen.
        constant: How many of them are constant after the window, and left out.
        clipped: Mean share of pixels that the window clips, of the others.
        filled: Largest share of the window that the values of an image fill.
    """

    images: int = 0
    constant: int = 0
    clipped: float = 0.0
    filled: float = 1.0

    def remarks(self) -> list[str]:
        """A line for everything that a person should know."""
        lines = []
        if self.constant:
            lines.append(
                f"{self.constant} of {self.images} images are constant after "
                "config.data.window and left out"
            )
        if self.clipped > _MANY_CLIPPED:
            lines.append(
                f"config.data.window clips {self.clipped:.0%} of all pixels; is it in "
                "the units of the images?"
            )
        if self.filled < _LITTLE_FILLED:
            lines.append(
                f"the images fill {self.filled:.1%} of config.data.window; is it in "
                "their units?"
            )
        return lines


def load_image(source: Source, config: Data, index: int) -> np.ndarray:
    """Image `index` in [0, 1], of its own size.

    Args:
        source: Images in physical units.
        config: The data section.
        index: Which image.

    Raises:
        InputError: If it does not fit, or is not finite; names it.
    """
    return to_unit_range(_physical(source, config, index), config.window)


def load_content(source: Source, config: Data, index: int) -> np.ndarray:
    """Image `index` in [0, 1], or the next one with content, in the order of `source`.

    Args:
        source: Images in physical units.
        config: The data section.
        index: Which image.

    Raises:
        InputError: As `load_image`, or if all images are constant.
    """
    for step in range(len(source)):
        image = load_image(source, config, (index + step) % len(source))
        if not is_constant(image):
            return image
    raise InputError(_describe_constant(source.name(0), len(source)))


def look_at(image: np.ndarray, window: tuple[float, float]) -> Findings:
    """What one image shows.

    Args:
        image: Physical values.
        window: Physical values that become 0 and 1.
    """
    if is_constant(to_unit_range(image, window)):
        return Findings(1, 1)
    return Findings(1, 0, clipped_share(image, window), filled_share(image, window))


def sum_up(findings: Iterable[Findings]) -> Findings:
    """Findings of all images of some findings."""
    seen = list(findings)
    images = sum(each.images for each in seen)
    constant = sum(each.constant for each in seen)
    some = [(each, each.images - each.constant) for each in seen]
    some = [(each, count) for each, count in some if count]
    if not some:
        return Findings(images, constant)
    clipped = sum(each.clipped * count for each, count in some) / (images - constant)
    return Findings(images, constant, clipped, max(each.filled for each, _ in some))


def check_images(
    source: Source, config: Data, *, process_index: int = 0, process_count: int = 1
) -> Findings:
    """Decodes the images that the cache can hold, and refuses unfit ones.

    Nothing is done twice, as training then reads them from the cache. What is
    beyond it is checked when it is first read. Several processes share the work.

    Args:
        source: Images in physical units.
        config: The data section.
        process_index: This process; it decodes images `process_index`,
            `process_index + process_count`, ...
        process_count: Number of processes.

    Raises:
        InputError: The first unfit image by name, and what is wrong with it; or if the
            window clips nearly everything of all images, or they fill next to nothing
            of it.
    """
    count = min(len(source), CACHE_BYTES // (4 * math.prod(config.shape)))
    mine = range(process_index, count, process_count)
    pool = ThreadPoolExecutor(config.num_threads)
    try:
        found = sum_up(
            pool.map(
                lambda i: look_at(_physical(source, config, i), config.window), mine
            )
        )
    finally:
        pool.shutdown(cancel_futures=True)
    check_findings(found, config.window, first=source.name(0))
    return found


def check_findings(found: Findings, window: tuple[float, float], *, first: str) -> None:
    """Refuses a window in which the images of a split have next to no content.

    Args:
        found: What was seen of them.
        window: Physical values that become 0 and 1.
        first: Name of the first image.

    Raises:
        InputError: If all are constant, the window clips nearly everything of them, or
            they fill next to nothing of it.
    """
    if found.images and found.constant == found.images:
        raise InputError(_describe_constant(first, found.images))
    if found.clipped > _TOO_MANY_CLIPPED or found.filled < _TOO_LITTLE_FILLED:
        raise InputError(
            f"config.data.window = {window}: clips {found.clipped:.0%} of the pixels, "
            f"and the images fill {found.filled:.1%} of it (the first is {first}); "
            "expected a window in their units"
        )


def _physical(source: Source, config: Data, index: int) -> np.ndarray:
    image, name = source[index], source.name(index)
    check_fit(image.shape, config.shape, fit=config.fit, name=name)
    check_finite(image, name=name)
    return image


def _describe_constant(first: str, count: int) -> str:
    return (
        f"{first} and all of {count} images are constant after "
        "config.data.window; check the window and png_rescale"
    )

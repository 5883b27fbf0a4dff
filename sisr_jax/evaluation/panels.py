"""What a picture of images is made of: pixels that are screen pixels, nothing smoothed.

A whole image is shrunk by averaging where it does not fit, else every pixel is a square
of screen pixels; so it always is in a close-up.
"""

from typing import NamedTuple

import numpy as np

_SIDE = 256  # longest side of a panel, in screen pixels
_STEEPEST = 0.1  # of a view, between two pixels: an edge is an edge however steep
_MEAN = 5  # pixels, a side of the square over which noise is averaged away


class Box(NamedTuple):
    """Part of an image, in its pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: np.ndarray) -> np.ndarray:
        """The part of `[height, width]`."""
        return image[self.top : self.top + self.height, self.left :][:, : self.width]


def panel_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Height and width in screen pixels of a panel for images of a shape."""
    longest = max(shape)
    if longest <= _SIDE:
        times = _SIDE // longest
        return shape[0] * times, shape[1] * times
    height, width = (max(1, round(side * _SIDE / longest)) for side in shape)
    return height, width


def magnification(shape: tuple[int, int]) -> int:
    """Screen pixels for a pixel's side in a close-up: half of an image or less."""
    height, _ = panel_shape(shape)
    return max(2, height // max(1, shape[0] // 2))


def close_up(levels: np.ndarray) -> Box:
    """The most structured part of an image, as large as a close-up shows.

    That is where most pixels differ from their neighbours: steep edges count no more
    than fine ones, and what a view shows as black or white counts nothing.

    Args:
        levels: `[height, width]`; a view shows [0, 1].
    """
    times = magnification(levels.shape)
    height, width = (max(1, side // times) for side in panel_shape(levels.shape))
    around = ((_MEAN // 2, _MEAN // 2),) * 2
    shown = np.pad(np.clip(levels, 0.0, 1.0), around, mode="edge")
    down, right = np.gradient(_sums(shown, _MEAN, _MEAN) / _MEAN**2)
    seen = (levels > 0) & (levels < 1)
    boxes = _sums(np.minimum(np.hypot(down, right), _STEEPEST) * seen, height, width)
    top, left = np.unravel_index(np.argmax(boxes), boxes.shape)
    return Box(int(top), int(left), height, width)


def whole(image: np.ndarray) -> np.ndarray:
    """An image `[height, width]` as a panel."""
    height, width = panel_shape(image.shape)
    if height >= image.shape[0]:
        return _repeated(image, height // image.shape[0])
    return _shares(image.shape[0], height) @ image @ _shares(image.shape[1], width).T


def enlarged(image: np.ndarray, box: Box) -> np.ndarray:
    """A part of an image `[height, width]` as a panel."""
    return _repeated(box.of(image), magnification(image.shape))


def widened(images: np.ndarray, width: int) -> np.ndarray:
    """Acquired columns `[num, height, columns]`, each as wide as its share."""
    return images[:, :, np.arange(width) * images.shape[2] // width]


def _sums(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Sums over all boxes of a size that lie inside."""
    sums = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = sums[height:] - sums[:-height]
    return sums[:, width:] - sums[:, :-width]


def _repeated(image: np.ndarray, times: int) -> np.ndarray:
    return image.repeat(times, axis=0).repeat(times, axis=1)


def _shares(old: int, new: int) -> np.ndarray:
    """Share `[new, old]` of each old pixel in a new one, for fewer pixels."""
    edges = np.linspace(0.0, old, new + 1)[:, None]
    pixels = np.arange(old)
    upper = np.minimum(edges[1:], pixels + 1)
    overlap = upper - np.maximum(edges[:-1], pixels)
    return np.clip(overlap, 0.0, None) * (new / old)

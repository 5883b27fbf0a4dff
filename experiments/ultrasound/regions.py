"""Windows of a frame where texture and contrast are measured, chosen in the truth.

Clinical frames come without marked regions. Two windows stand for them: the echogenic
one whose brightness is most even, for speckle, and a darker one, for contrast.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

WINDOW, STEP = 32, 8
# Cells of a window, whose means say how even its brightness is.
CELL = 8
# Mean levels of [0, 1] that speckle is looked for at: neither black nor saturated.
LEVELS = (0.2, 0.8)
# The darker window is the one nearest to this share of its level, if it is so near. One
# that is black would be told from it in any image.
DARKER, NEAR = 0.6, 0.15


def windows(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masks `[height, width]` of speckle and of a darker region; empty where none is.

    Args:
        image: The truth `[height, width]`, in [0, 1].
    """
    views = sliding_window_view(image, (WINDOW, WINDOW))[::STEP, ::STEP]
    means = views.mean((2, 3))
    cells = WINDOW // CELL
    parts = views.reshape(*means.shape, cells, CELL, cells, CELL).mean((3, 5))
    uneven = parts.std((2, 3)) / np.maximum(means, 1e-6)
    low, high = LEVELS
    uneven[(means < low) | (means > high)] = np.inf
    empty = np.zeros(image.shape, bool)
    if not np.isfinite(uneven).any():
        return empty, empty
    place = np.unravel_index(np.argmin(uneven), means.shape)
    distance = np.abs(means / means[place] - DARKER)
    darker = np.unravel_index(np.argmin(distance), means.shape)
    is_near = distance[darker] < NEAR
    speckle = _mask(image.shape, place)
    return speckle, _mask(image.shape, darker) if is_near else empty


def _mask(shape: tuple[int, ...], place: tuple[np.intp, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    row, column = (STEP * int(each) for each in place)
    mask[row : row + WINDOW, column : column + WINDOW] = True
    return mask

"""Grey images that are stored in colour."""

from pathlib import Path

import numpy as np

from sisr_jax.errors import InputError

# Levels of 255 between the channels of a pixel: what lossy compression makes of grey.
_TOLERANCE = 8
# Of the luma of ITU-R BT.601.
_WEIGHTS = np.array([0.299, 0.587, 0.114])


def grey_of(pixels: np.ndarray, *, path: Path) -> np.ndarray:
    """Grey values of an image whose three channels are alike.

    Equal channels are returned as they are; where lossy compression has moved them
    apart, their luma is.

    Args:
        pixels: uint8 `[height, width, 3]`, red, green and blue.
        path: The file, for messages.

    Returns:
        uint8 `[height, width]`.

    Raises:
        InputError: If a pixel is coloured.
    """
    spread = pixels.max(axis=-1) - pixels.min(axis=-1)
    coloured = int(np.count_nonzero(spread > _TOLERANCE))
    if coloured:
        raise InputError(
            f"{path}: {coloured} of {spread.size} pixels are coloured, expected grey; "
            "crop coloured marks away, or convert the image"
        )
    luma = np.rint(pixels @ _WEIGHTS).astype(np.uint8)
    return np.where(spread == 0, pixels[..., 0], luma)

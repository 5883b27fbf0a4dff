"""What functions of images with channels accept."""

import numpy as np
from jaxtyping import Array, Real


def check_channels(image: Real[Array | np.ndarray, "..."]) -> None:
    """Refuses what has no axis of channels, which they cannot tell from the width.

    Raises:
        ValueError: If there are fewer than three axes.
    """
    if image.ndim < 3:
        raise ValueError(
            f"image of shape {image.shape}: expected [*batch, height, width, channels]"
        )

"""Padding of images to sizes that networks of several resolutions can take."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sisr_jax.geometries import whole_number
from sisr_jax.image.inputs import check_channels


def pad_to_multiple(
    image: Float[Array | np.ndarray, "*batch height width channels"],
    *,
    multiple: int,
) -> Float[Array, "*batch padded_height padded_width channels"]:
    """Continues an image by its last row and column until its sides divide.

    Args:
        image: Any range.
        multiple: What height and width are to divide by, at least 1.

    Returns:
        The image with rows below it and columns on its right; itself if it divides.

    Raises:
        TypeError: If `multiple` is no whole number.
        ValueError: If it is below 1, or the image has no channels.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.image.padding import pad_to_multiple
        >>> row = np.array([1.0, 2.0, 3.0])[None, :, None]
        >>> print(pad_to_multiple(row, multiple=2)[..., 0])
        [[1. 2. 3. 3.]
         [1. 2. 3. 3.]]
    """
    check_channels(image)
    multiple = whole_number("multiple", multiple, "pixels", least=1)
    # In this order, sides that are known to be multiples only (`4 * h`) need no value.
    missing = [-(side % multiple) % multiple for side in image.shape[-3:-1]]
    if missing == [0, 0]:
        return jnp.asarray(image)
    whole = [(0, 0)] * (image.ndim - 3)
    below, right = missing
    return jnp.pad(image, [*whole, (0, below), (0, right), (0, 0)], mode="edge")

"""Lossless exchanges between resolution and channels.

A block of `factor` x `factor` pixels becomes one pixel with `factor**2` times as
many channels, and back: nothing is averaged, dropped or invented. Within a block
the new channel index is `(row * factor + column) * channels + channel`, the order
in which the block is read.
"""

from jaxtyping import Array, Float

from sisr_jax.explicit_meshes import placed_alike
from sisr_jax.geometries import whole_number
from sisr_jax.image.inputs import check_channels


def space_to_depth(
    image: Float[Array, "*batch height width channels"], factor: int
) -> Float[Array, "*batch height//{factor} width//{factor} channels*{factor}**2"]:
    """Moves blocks of pixels into channels: pixel unshuffle.

    Args:
        image: Any values.
        factor: Side of a block in pixels, at least 1; divides height and width.

    Returns:
        The same values at `1 / factor` of the resolution.

    Raises:
        TypeError: If `factor` is no whole number.
        ValueError: If the image has no channels, or `factor` is below 1 or does not
            divide height and width.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.image.shuffle import space_to_depth
        >>> image = jnp.arange(16.0).reshape(4, 4, 1)
        >>> blocks = space_to_depth(image, 2)
        >>> print(blocks.shape, blocks[0, 0])
        (2, 2, 4) [0. 1. 4. 5.]
    """
    check_channels(image)
    factor = whole_number("factor", factor, "pixels along a block", least=1)
    *batch, height, width, channels = image.shape
    if height % factor or width % factor:
        raise ValueError(
            f"space_to_depth: factor {factor} must divide the "
            f"height {height} and the width {width}"
        )
    rows, columns = height // factor, width // factor

    def shuffle(image: Array) -> Array:
        blocks = image.reshape(*batch, rows, factor, columns, factor, channels)
        blocks = blocks.swapaxes(-4, -3)
        return blocks.reshape(*batch, rows, columns, factor**2 * channels)

    return placed_alike(shuffle, image)


def depth_to_space(
    image: Float[Array, "*batch height width channels"], factor: int
) -> Float[Array, "*batch height*{factor} width*{factor} channels//{factor}**2"]:
    """Moves channels into blocks of pixels: pixel shuffle.

    The inverse of `space_to_depth`, and the sub-pixel shuffle of Shi et al.,
    "Real-Time Single Image and Video Super-Resolution" (2016), equation 4.

    Args:
        image: Any values.
        factor: Side of a block in pixels, at least 1; its square divides the
            channels.

    Returns:
        The same values at `factor` times the resolution.

    Raises:
        TypeError: If `factor` is no whole number.
        ValueError: If the image has no channels, or `factor` is below 1 or its square
            does not divide the channels.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.image.shuffle import depth_to_space
        >>> print(depth_to_space(jnp.arange(4.0).reshape(1, 1, 4), 2)[..., 0])
        [[0. 1.]
         [2. 3.]]
    """
    check_channels(image)
    factor = whole_number("factor", factor, "pixels along a block", least=1)
    *batch, height, width, channels = image.shape
    if channels % factor**2:
        raise ValueError(
            f"depth_to_space: the square of the factor {factor} must "
            f"divide the {channels} channels"
        )
    depth = channels // factor**2

    def shuffle(image: Array) -> Array:
        blocks = image.reshape(*batch, height, width, factor, factor, depth)
        blocks = blocks.swapaxes(-4, -3)
        return blocks.reshape(*batch, height * factor, width * factor, depth)

    return placed_alike(shuffle, image)


def depth_to_width(
    image: Float[Array, "*batch height width channels"], factor: int
) -> Float[Array, "*batch height width*{factor} channels//{factor}"]:
    """Moves channels into columns: pixel shuffle along the width only.

    In channels-last memory order this moves nothing: it is a reshape.

    Args:
        image: Any values.
        factor: New columns for each column, at least 1; divides the channels.

    Returns:
        The same values, `factor` times as wide.

    Raises:
        TypeError: If `factor` is no whole number.
        ValueError: If the image has no channels, or `factor` is below 1 or does not
            divide the channels.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.image.shuffle import depth_to_width
        >>> print(depth_to_width(jnp.arange(4.0).reshape(1, 1, 4), 4)[..., 0])
        [[0. 1. 2. 3.]]
    """
    check_channels(image)
    factor = whole_number("factor", factor, "new columns", least=1)
    *batch, height, width, channels = image.shape
    if channels % factor:
        raise ValueError(
            f"depth_to_width: factor {factor} must divide the {channels} channels"
        )
    shape = *batch, height, width * factor, channels // factor
    return placed_alike(lambda image: image.reshape(shape), image)


def width_to_depth(
    image: Float[Array, "*batch height width channels"], factor: int
) -> Float[Array, "*batch height width//{factor} channels*{factor}"]:
    """Moves neighbouring columns into channels: pixel unshuffle along the width only.

    The inverse of `depth_to_width`, and as cheap.

    Args:
        image: Any values.
        factor: Columns that become one, at least 1; divides the width.

    Returns:
        The same values at `1 / factor` of the columns.

    Raises:
        TypeError: If `factor` is no whole number.
        ValueError: If the image has no channels, or `factor` is below 1 or does not
            divide the width.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.image.shuffle import width_to_depth
        >>> width_to_depth(jnp.arange(4.0).reshape(1, 4, 1), 2).tolist()
        [[[0.0, 1.0], [2.0, 3.0]]]
    """
    check_channels(image)
    factor = whole_number("factor", factor, "columns that become one", least=1)
    *batch, height, width, channels = image.shape
    if width % factor:
        raise ValueError(
            f"width_to_depth: factor {factor} must divide the width {width}"
        )
    shape = *batch, height, width // factor, channels * factor
    return placed_alike(lambda image: image.reshape(shape), image)

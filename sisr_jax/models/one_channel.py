"""The convolution that ends in an image of one channel, as a TPU likes it.

A TPU multiplies matrices with 128 columns (v6e: 256) at a time. A convolution whose
result has one channel fills one of them, for each tap of the kernel anew. Here the
taps of a kernel row fill as many at once. Cycles by the compiler's estimate:
`experiments/tpu`.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike


def to_one_channel(image: jax.Array, kernel: jax.Array) -> jax.Array:
    """Cross-correlation with zeros around the image.

    Args:
        image: `[batch, height, width, inputs]`.
        kernel: `[size, size, inputs, 1]`, of the image's type; `size` is odd.

    Returns:
        `[batch, height, width, 1]`, of the image's type, summed in float32.
    """
    return _by_kernel_columns(image, kernel, jnp.float32)


def pull_back(
    image: jax.Array, kernel: jax.Array, cotangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The gradients by image and kernel, for the result's `[batch, height, width, 1]`.

    The type of the partial sums is that of the operands, as the transposed
    convolutions want it; copies of the cotangent lose nothing by it.
    """
    _, transpose = jax.vjp(
        lambda image, kernel: _by_kernel_columns(image, kernel, image.dtype),
        image,
        kernel,
    )
    return transpose(_by_rows(cotangent[..., 0])[..., None])


def _by_kernel_columns(
    image: jax.Array, kernel: jax.Array, partial_type: DTypeLike
) -> jax.Array:
    """Sums over inputs and rows of the kernel, then over its columns."""
    half = len(kernel) // 2
    sums = lax.conv_general_dilated(
        image,
        kernel[..., 0].swapaxes(1, 2)[:, None],
        (1, 1),
        ((half, half), (0, 0)),
        dimension_numbers=("NHWC", "HWIO", "NCHW"),
        preferred_element_type=partial_type,
    )
    sums = jnp.pad(_by_rows(sums), ((0, 0), (0, 0), (0, 0), (half, half)))
    width = image.shape[2]
    shifted = [sums[:, j, :, j : j + width] for j in range(len(kernel))]
    total = functools.reduce(jnp.add, [each.astype(jnp.float32) for each in shifted])
    return _by_rows(total.astype(image.dtype))[..., None]


def _by_rows(array: jax.Array) -> jax.Array:
    """The same array `[..., width]`, which the compiler has to hold as a matrix.

    Left alone, it may put the channels in the lanes, of which there are few here, and
    such a layout spreads to whatever the array is compared with.
    """
    matrix = array.reshape(-1, array.shape[-1])
    return lax.optimization_barrier(matrix).reshape(array.shape)

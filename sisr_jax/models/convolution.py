"""Two-dimensional convolution, in the order of work that suits the platform.

The gradient of a convolution by its kernel is itself a convolution, of the input
with a window as large as the image. XLA:CPU runs that one far below the machine's
matrix-multiplication speed (measurements: `experiments/step_speed`), most of all
where an image has one channel. On CPU it is therefore computed as what it is,

    gradient[i, j, c, o] = sum over pixels p of input[p + (i, j), c] * cotangent[p, o],

one matrix product over the pixels for each tap (i, j), by blocks of rows that stay
in the cache. Where everything stays there anyway, XLA's own gradient by a small kernel
is as fast or up to 3 times faster, and is kept. So is all else.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

# Pixels a block: about 1 MB for 64 channels in float32. 2048 to 8192 are alike.
_BLOCK_PIXELS = 4096
# Up to which XLA:CPU is fast enough by itself: side of a kernel, and bytes of the image
# or of its cotangent, of one example and of a batch.
_SMALL_KERNEL, _EXAMPLE_BYTES, _BATCH_BYTES = 3, 8 << 20, 16 << 20


def convolve(image: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """Cross-correlation with zero padding that divides the size by the stride.

    Equal to `lax.conv_general_dilated` with `"SAME"` padding, values and gradients.
    Differentiable in reverse mode only.

    Args:
        image: `[batch, height, width, inputs]`.
        kernel: `[size, size, inputs, outputs]`, of the image's type; `size` is odd.
        stride: Step between output pixels.

    Returns:
        `[batch, ceil(height / stride), ceil(width / stride), outputs]`.

    Raises:
        ValueError: If the kernel is not square with an odd side.
    """
    if kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
        raise ValueError(f"kernel {kernel.shape}: expected a square with an odd side")
    return _convolve_trainable(image, kernel, stride)


def _convolve(image: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    return lax.conv_general_dilated(
        image,
        kernel,
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


_convolve_trainable = jax.custom_vjp(_convolve, nondiff_argnums=(2,))


def _forward(
    image: jax.Array, kernel: jax.Array, stride: int
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _convolve_trainable(image, kernel, stride), (image, kernel)


def _backward(
    stride: int, residuals: tuple[jax.Array, jax.Array], cotangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    image, kernel = residuals
    plain = partial(_pull_back, gradient=_kernel_gradient, stride=stride)
    by_blocks = partial(_pull_back, gradient=_kernel_gradient_by_blocks, stride=stride)
    return lax.platform_dependent(
        image, kernel, cotangent, cpu=by_blocks, default=plain
    )


_convolve_trainable.defvjp(_forward, _backward)


def _pull_back(
    image: jax.Array,
    kernel: jax.Array,
    cotangent: jax.Array,
    *,
    gradient: Callable[..., jax.Array],
    stride: int,
) -> tuple[jax.Array, jax.Array]:
    """XLA's own gradient by the image, and a gradient by the kernel."""
    transpose = jax.linear_transpose(lambda x: _convolve(x, kernel, stride), image)
    by_kernel = gradient(image, cotangent, size=len(kernel), stride=stride)
    return transpose(cotangent)[0], by_kernel


def _kernel_gradient(
    image: jax.Array, cotangent: jax.Array, *, size: int, stride: int
) -> jax.Array:
    """XLA's own: the transpose of the convolution as a function of the kernel."""
    shape = (size, size, image.shape[-1], cotangent.shape[-1])
    kernel = jax.ShapeDtypeStruct(shape, image.dtype)
    transpose = jax.linear_transpose(lambda k: _convolve(image, k, stride), kernel)
    return transpose(cotangent)[0]


def _kernel_gradient_by_blocks(
    image: jax.Array, cotangent: jax.Array, *, size: int, stride: int
) -> jax.Array:
    """Sum over blocks of rows, and for each row of taps, of one matrix product."""
    batch, rows, columns, outputs = cotangent.shape
    inputs = image.shape[-1]
    block = _block_rows(rows, batch * columns)
    if block == rows or (size <= _SMALL_KERNEL and _stays_cached(image, cotangent)):
        return _kernel_gradient(image, cotangent, size=size, stride=stride)
    pads = lax.padtype_to_pads(image.shape[1:3], (size, size), (stride, stride), "SAME")
    # Shifted copies are made of the side with fewer channels; shifting the
    # cotangent instead of the image mirrors the taps.
    mirrored = stride == 1 and outputs < inputs
    moving, fixed = (cotangent, image) if mirrored else (image, cotangent)
    moving = jnp.pad(moving, ((0, 0), *pads, (0, 0)))
    height, width = (block - 1) * stride + 1, (columns - 1) * stride + 1

    def add_block(index: jax.Array, total: jax.Array) -> jax.Array:
        still = lax.dynamic_slice_in_dim(fixed, index * block, block, 1)
        still = still.reshape(batch, -1, fixed.shape[-1])

        def add_row(row: jax.Array, total: jax.Array) -> jax.Array:
            start = index * block * stride + row
            window = lax.dynamic_slice_in_dim(moving, start, height, 1)[:, ::stride]
            taps = [window[:, :, j : j + width : stride] for j in range(size)]
            shifted = jnp.stack(taps, 1).reshape(batch, size, -1, moving.shape[-1])
            return total.at[row].add(
                jnp.einsum(
                    "btpm,bpf->btmf",
                    shifted,
                    still,
                    preferred_element_type=jnp.float32,
                )
            )

        return lax.fori_loop(0, size, add_row, total)

    # Each example keeps its own sum: on a sharded batch the devices then meet once,
    # after the loop, and not in every turn of it.
    shape = (size, batch, size, moving.shape[-1], fixed.shape[-1])
    total = lax.fori_loop(0, rows // block, add_block, jnp.zeros(shape, jnp.float32))
    gradient = total.sum(1).astype(image.dtype)
    return gradient[::-1, ::-1].swapaxes(2, 3) if mirrored else gradient


def _stays_cached(image: jax.Array, cotangent: jax.Array) -> bool:
    larger = max(image.nbytes, cotangent.nbytes)
    return larger <= min(_BATCH_BYTES, len(image) * _EXAMPLE_BYTES)


def _block_rows(rows: int, pixels_per_row: int) -> int:
    """The largest divisor of `rows` that keeps a block within its pixels."""
    limit = max(1, _BLOCK_PIXELS // pixels_per_row)
    return max(n for n in range(1, min(limit, rows) + 1) if rows % n == 0)

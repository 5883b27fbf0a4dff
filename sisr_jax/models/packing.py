"""Convolutions of images whose blocks of pixels lie in the channels.

A matrix unit multiplies 128 channels by 128 channels at a time, and an image of fewer
leaves the rest of it idle. Packed, each block of `rows` x `columns` pixels is one pixel
with `rows * columns` times the channels, ordered `(row, column, channel)` as
`image.shuffle` orders them. Whatever treats pixels alike works on it as it stands, and
so does a convolution, with another kernel: along one axis, let output pixel
`o = q * O + b` (O: packed pixel, b: its place in the block of q) be the sum over taps t
of `kernel[t]` times input pixel `i = s * o + t - pad`. With blocks of p pixels in the
input, `i = p * I + a`, this is a convolution by step `S = q * s / p`, whose tap
`d = I - S * O` has

    packed_kernel[d, a, b] = kernel[t]   where   p * d + a = s * b + t - pad,

and zero where no t fits: the same weights, the same sums. Zeros are multiplied, too, so
that packing pays only where the unit would have been idle. Space-to-depth before a
convolution and depth-to-space behind it are blocks of the kernel's own channels, so
that packed they cost nothing at all.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from sisr_jax.models.convolution import convolve


class Packing(NamedTuple):
    """Rows and columns of the blocks of pixels that lie in the channels."""

    rows: int = 1
    columns: int = 1

    @property
    def pixels(self) -> int:
        """Pixels of a block."""
        return self.rows * self.columns


PLAIN = Packing()
# In which a TPU computes an image of one channel: 32 columns of its unit. Larger blocks
# save less there than it takes to build their kernels: `experiments/tpu`.
_IMAGE_BLOCK = Packing(4, 8)


class Form(NamedTuple):
    """What a convolution does to resolution and packing.

    Attributes:
        stride: Step between output pixels.
        unshuffle: Blocks that space-to-depth makes channels of, before.
        shuffle: Blocks that depth-to-space makes of channels, behind.
        packing: Of the image that comes in, before the space-to-depth.
        into: Of the image that goes out, behind the depth-to-space.
    """

    stride: int = 1
    unshuffle: Packing = PLAIN
    shuffle: Packing = PLAIN
    packing: Packing = PLAIN
    into: Packing = PLAIN


def repack(image: jax.Array, *, packing: Packing, into: Packing) -> jax.Array:
    """Moves pixels between blocks and the image.

    Args:
        image: `[B, H / rows, W / columns, rows * columns * C]`.
        packing: What it has.
        into: What it gets.

    Raises:
        ValueError: If blocks of `into` do not divide the image.
    """
    if packing == into:
        return image
    batch, height, width, depth = image.shape
    pixels = height * packing.rows, width * packing.columns
    if pixels[0] % into.rows or pixels[1] % into.columns:
        raise ValueError(
            f"blocks of {into.rows} x {into.columns} pixels must divide the image, "
            f"which has {pixels[0]} x {pixels[1]}"
        )
    channels = depth // packing.pixels
    blocks = image.reshape(batch, height, width, *packing, channels)
    plain = blocks.swapaxes(2, 3).reshape(batch, *pixels, channels)
    height, width = pixels[0] // into.rows, pixels[1] // into.columns
    blocks = plain.reshape(batch, height, into.rows, width, into.columns, channels)
    return blocks.swapaxes(2, 3).reshape(batch, height, width, -1)


def spread(values: jax.Array, *, shuffle: Packing, into: Packing) -> jax.Array:
    """What holds for each channel, for the channels of a packed image.

    Args:
        values: `[shuffle.pixels * C]`, before a depth-to-space by blocks of `shuffle`.
        shuffle: Those blocks; `PLAIN` without one.
        into: The packing; `shuffle` divides it.

    Returns:
        `[into.pixels * C]`.
    """
    rows, columns = into.rows // shuffle.rows, into.columns // shuffle.columns
    parts = values.reshape(1, shuffle.rows, 1, shuffle.columns, -1)
    shape = rows, shuffle.rows, columns, shuffle.columns, parts.shape[-1]
    return jnp.broadcast_to(parts, shape).reshape(-1)


def convolve_packed(image: jax.Array, kernel: jax.Array, form: Form) -> jax.Array:
    """Cross-correlation with zero padding of a packed image.

    Equal to unpacking, `image.shuffle.space_to_depth`, `convolve`, `depth_to_space`
    and packing again, which is what all platforms but a TPU do, steps that undo each
    other left out. A TPU convolves with the packed kernel; an image of one channel in
    larger blocks than it is asked for, which it repacks.

    Args:
        image: `[B, h, w, c]`, packed as `form.packing`.
        kernel: `[size, size, inputs, outputs]` of the convolution that is meant, of the
            image's type or a wider one, in which its gradient is summed.
        form: What it does.

    Returns:
        `[B, h', w', c']`, packed as `form.into`.

    Raises:
        ValueError: If blocks do not divide the image or one another.
    """
    plain = functools.partial(_convolve_plain, form=form)
    if not all(isinstance(length, int) for length in image.shape[1:3]):
        # Exported for images of any size, whose blocks cannot be told.
        return plain(image, kernel)
    wide = form._replace(into=_larger_blocks(image.shape, kernel.shape, form))
    plan = _plan(image.shape, len(kernel), wide)
    if (wide.packing, wide.into) == (form.unshuffle, form.shuffle):
        return plain(image, kernel)

    def packed(image: jax.Array, kernel: jax.Array) -> jax.Array:
        result = _convolve(image, _pack_kernel(kernel, wide, plan), plan)
        return repack(result, packing=wide.into, into=form.into)

    return lax.platform_dependent(image, kernel, tpu=packed, default=plain)


def _convolve_plain(image: jax.Array, kernel: jax.Array, *, form: Form) -> jax.Array:
    image = repack(image, packing=form.packing, into=form.unshuffle)
    result = convolve(image, kernel.astype(image.dtype), form.stride)
    return repack(result, packing=form.shuffle, into=form.into)


def _larger_blocks(
    image: tuple[int, ...], kernel: tuple[int, ...], form: Form
) -> Packing:
    """The packing of an image of one channel that suits a TPU; else that asked for."""
    if kernel[-1] > 1 or form.stride > 1 or form.unshuffle != PLAIN:
        return form.into
    rows, columns = (
        math.lcm(into, math.gcd(block, length * packing))
        for block, length, packing, into in zip(
            _IMAGE_BLOCK, image[1:3], form.packing, form.into, strict=True
        )
    )
    return Packing(rows, columns)


class _Axis(NamedTuple):
    """A packed convolution along one axis.

    Attributes:
        taps: `[d, a, t, r, b]`: 1 where packed tap d of place a, for place b of the
            result, is tap t of the kernel at place r of its space-to-depth, else 0.
        step: Between packed pixels of the result.
        pads: Packed pixels of zeros before and behind.
    """

    taps: np.ndarray
    step: int
    pads: tuple[int, int]


def _plan(image: tuple[int, ...], size: int, form: Form) -> tuple[_Axis, _Axis]:
    """For an image `[B, h, w, c]` and a kernel of `size`; raises ValueError."""
    rows, columns = (
        _axis(size, form.stride, length, *parts)
        for length, parts in zip(image[1:3], zip(*form[1:], strict=True), strict=True)
    )
    return rows, columns


def _axis(size: int, stride: int, length: int, u: int, f: int, p: int, q: int) -> _Axis:
    """Along `length` packed pixels; u, f, p, q are the parts of a form in order."""
    pixels, places = length * p // u, q // f
    outputs = -(-pixels // stride)
    if length * p % u or q % f or outputs % places or places * stride * u % p:
        raise ValueError(
            f"{length} pixels of packing {p}: no convolution by stride {stride} into "
            f"packing {q}, with space-to-depth {u} and depth-to-space {f}"
        )
    pad, _ = lax.padtype_to_pads((pixels,), (size,), (stride,), "SAME")[0]
    step, results = places * stride * u // p, outputs // places
    first = -pad * u // p
    last = (((places - 1) * stride + size - pad) * u - 1) // p
    d, a, t, r, b = np.ogrid[first : last + 1, :p, :size, :u, :places]
    taps = p * d + a == (stride * b + t - pad) * u + r
    behind = (results - 1) * step + last + 1 - length
    return _Axis(taps.astype(np.float32), step, (-first, behind))


def _pack_kernel(kernel: jax.Array, form: Form, plan: tuple[_Axis, _Axis]) -> jax.Array:
    size, _, inputs, outputs = kernel.shape
    inputs, outputs = inputs // form.unshuffle.pixels, outputs // form.shuffle.pixels
    # One product of matrices, in which each weight is copied and none is added to
    # another; rows of both are the taps, with the places of the space-to-depth.
    rows, columns = plan
    copies = np.einsum("datrb,ecsqm->deacbmtsrq", rows.taps, columns.taps)
    shape = copies.shape[:6]
    copies = copies.reshape(-1, size**2 * form.unshuffle.pixels)
    weights = kernel.reshape(copies.shape[1], -1)
    packed = jnp.matmul(copies, weights, precision=lax.Precision.HIGHEST)
    packed = packed.reshape(*shape, inputs, *form.shuffle, outputs)
    packed = packed.transpose(0, 1, 2, 3, 6, 4, 7, 5, 8, 9)
    return packed.reshape(*shape[:2], form.packing.pixels * inputs, -1)


def _convolve(
    image: jax.Array, kernel: jax.Array, plan: tuple[_Axis, _Axis]
) -> jax.Array:
    """With zeros around the image, in its type."""
    return lax.conv_general_dilated(
        image,
        kernel.astype(image.dtype),
        [axis.step for axis in plan],
        [axis.pads for axis in plan],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )

"""Interpolation between any scan lines that were kept, each at its place.

For every `factor`-th line it is what `image.resize.aligned_columns` does, but which
lines are kept is data: in a batch each image may have its own. The matrices are
multiplied, not gathered, as in `image.resize`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

# The largest gap that networks are meant for, their unit of distances between lines.
GAP = 16.0
# Keys 1981, as in `image.resize`.
_KEYS_A = -0.5


class Between(NamedTuple):
    """Where each line lies between the kept ones, `[*batch, lines]` whole numbers.

    At a kept line all but the outer ones are the line itself. Beyond the first and the
    last kept line, that one stands for all that are missing there.

    Attributes:
        left: The kept line to the left.
        right: The kept line to the right.
        outer_left: The one before `left`.
        outer_right: The one behind `right`.
    """

    left: Int[Array, "*batch lines"]
    right: Int[Array, "*batch lines"]
    outer_left: Int[Array, "*batch lines"]
    outer_right: Int[Array, "*batch lines"]


def between(kept: Bool[Array, "*batch lines"]) -> Between:
    """Finds the kept lines around each line.

    Args:
        kept: Which lines are kept, at least one of each image.
    """
    lines = kept.shape[-1]
    index = jnp.broadcast_to(jnp.arange(lines), kept.shape)
    axis = kept.ndim - 1
    left = jax.lax.cummax(jnp.where(kept, index, -1), axis)
    right = jax.lax.cummin(jnp.where(kept, index, lines), axis, reverse=True)
    nothing_left, nothing_right = left < 0, right == lines
    left, right = (
        jnp.where(nothing_left, right, left),
        jnp.where(nothing_right, left, right),
    )
    before = jnp.take_along_axis(left, jnp.maximum(left - 1, 0), axis)
    behind = jnp.take_along_axis(right, jnp.minimum(right + 1, lines - 1), axis)
    # Of the first kept line, what is found before it is itself, or lies behind.
    return Between(left, right, jnp.minimum(before, left), jnp.maximum(behind, right))


def cubic_matrix(places: Between) -> Float[Array, "*batch lines lines"]:
    """The matrix that interpolates: `einsum("...vw,...hw->...hv", matrix, lines)`.

    Keys 1981 with a = -0.5, as if the outer lines were as far away as the inner ones
    are from each other.
    """
    left, right, outer_left, outer_right = places
    lines = left.shape[-1]
    index = jnp.arange(lines)
    gap = right - left
    # Beyond the ends: as far as the last two are from each other.
    gap = jnp.where(gap > 0, gap, jnp.maximum(left - outer_left, outer_right - right))
    gap = jnp.maximum(gap, 1)
    t = jnp.where(index < left, 1 + (index - left) / gap, (index - left) / gap)
    t = jnp.clip(t, 0, 1)
    a = _KEYS_A

    def near(distance: Array) -> Array:
        return ((a + 2) * distance - (a + 3)) * distance**2 + 1

    def far(distance: Array) -> Array:
        return a * (((distance - 5) * distance + 8) * distance - 4)

    shares = far(1 + t), near(t), near(1 - t), far(2 - t)
    taps = outer_left, left, right, outer_right
    return sum(
        (
            share[..., None] * line_matrix(tap)
            for share, tap in zip(shares, taps, strict=True)
        ),
        start=jnp.zeros((*left.shape, lines)),
    )


def line_matrix(taps: Int[Array, "*batch lines"]) -> Float[Array, "*batch lines lines"]:
    """The matrix that puts line `taps[i]` in the place of line `i`."""
    return jax.nn.one_hot(taps, taps.shape[-1], dtype=jnp.float32)

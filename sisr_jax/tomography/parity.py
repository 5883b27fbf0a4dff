"""Even and odd parts about the centre of rotation, `size // 2`.

Half of an axis that is folded has `size // 2 + 1` values, from the centre outwards.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


class Quarters(NamedTuple):
    """An image in four parts, from its centre.

    Attributes:
        even_even: `[planes, half, half]`, even over the rows and over the columns.
        even_odd: Odd over the columns, that is along the rows.
        odd_even: Odd over the rows.
        odd_odd: Odd over both.
    """

    even_even: Any
    even_odd: Any
    odd_even: Any
    odd_odd: Any

    def by_lines(self, along_rows: bool) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """The parts even and odd across the lines, each even and odd along them.

        Args:
            along_rows: Whether lines are the rows of the image, else its columns.
        """
        if along_rows:
            return (self.even_even, self.even_odd), (self.odd_even, self.odd_odd)
        return (self.even_even, self.odd_even), (self.even_odd, self.odd_odd)

    @classmethod
    def of_lines(
        cls, even: tuple[Any, Any], odd: tuple[Any, Any], along_rows: bool
    ) -> "Quarters":
        """Puts together what `by_lines` takes apart."""
        (even_even, even_odd), (odd_even, odd_odd) = even, odd
        if along_rows:
            return cls(even_even, even_odd, odd_even, odd_odd)
        return cls(even_even, odd_even, even_odd, odd_odd)


def fold_plane(planes: Float[Array, "planes rows columns"]) -> Quarters:
    """An image from its centre: what is even and what is odd, in either direction."""
    even, odd = fold(planes, axis=1)
    return Quarters(*fold(even, axis=2), *fold(odd, axis=2))


def unfold_plane(quarters: Quarters, size: int) -> Float[Array, "planes rows columns"]:
    """Transpose of `fold_plane`."""
    even = unfold(quarters.even_even, quarters.even_odd, 2, size)
    odd = unfold(quarters.odd_even, quarters.odd_odd, 2, size)
    return unfold(even, odd, 1, size)


def fold(lines: Float[Array, "..."], axis: int) -> tuple[Array, Array]:
    """Sum and difference of what lies at either side of the centre, `size // 2`."""
    size = lines.shape[axis]
    centre = size // 2
    before = jnp.flip(lax.slice_in_dim(lines, 0, centre, axis=axis), axis)
    after = lax.slice_in_dim(lines, centre, size, axis=axis)
    before, after = (
        pad(before, (1, 0), axis),
        pad(after, (0, 2 * centre + 1 - size), axis),
    )
    return after + before, after - before


def unfold(even: Array, odd: Array, axis: int, size: int) -> Array:
    """Transpose of `fold`: its two results back to `size` values."""
    centre = size // 2
    after = lax.slice_in_dim(even + odd, 0, size - centre, axis=axis)
    before = lax.slice_in_dim(even - odd, 1, centre + 1, axis=axis)
    return jnp.concatenate([jnp.flip(before, axis), after], axis)


def pad(lines: Array, width: tuple[int, int], axis: int) -> Array:
    """Puts zeros before and after, along one axis."""
    widths = [(0, 0)] * lines.ndim
    widths[axis] = width
    return jnp.pad(lines, widths)

"""Exact coordinates of samples along the rays.

Every sampling position is a sum of two numbers, each known before compilation:
one depends on the angle and the first grid index, the other on the angle and
the second. Both are computed on the host in float64 and stored as an integer
and a fraction in [0, 1]. The compiled program adds the parts and compares the
sum of the fractions with 1. It never rounds a large float32, so positions are
good to 1e-7 pixel at any image size and no compiler rewrite of a multiply-add
can move a sample to another pixel.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Split(NamedTuple):
    """A coordinate as `whole + fraction`, exact where one float32 is not.

    Attributes:
        whole: int32.
        fraction: In [0, 1], in the floating type of the image.
    """

    whole: np.ndarray | Array
    fraction: np.ndarray | Array


def split(
    coordinate: Float[np.ndarray, "*shape"], dtype: jax.typing.DTypeLike
) -> Split:
    """Splits host coordinates; fractions are rounded to `dtype`."""
    whole = np.floor(coordinate)
    return Split(whole.astype(np.int32), (coordinate - whole).astype(dtype))


def join(first: Split, second: Split) -> tuple[Int[Array, "..."], Float[Array, "..."]]:
    """Adds two split coordinates, broadcasting them.

    Returns:
        Integer part and fraction in [0, 1] of the sum.
    """
    fraction = jnp.add(first.fraction, second.fraction)
    carry = fraction >= 1
    whole = jnp.add(first.whole, second.whole) + carry
    return whole, fraction - carry.astype(fraction.dtype)

"""Which rays a parallel-beam scanner measures, and exact coordinates along them.

Conventions (axes, centre, sign, units) are in the docstring of the package.

Every sampling position is a sum of two numbers, each known before compilation:
one depends on the angle and the first grid index, the other on the angle and
the second. Both are computed on the host in float64 and stored as an integer
and a fraction in [0, 1]. The compiled program adds the parts and compares the
sum of the fractions with 1. It never rounds a large float32, so positions are
good to 1e-7 pixel at any image size and no compiler rewrite of a multiply-add
can move a sample to another pixel.
"""

import dataclasses
import math
import operator
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Real

from sisr_jax.types import Sinogram


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, init=False, repr=False)
class ParallelBeam:
    """A set of parallel-beam views of a square image.

    Immutable, hashable and comparable: a static argument of `jax.jit`, declared as
    such or not (it is a pytree without leaves). Two beams are equal if their sizes
    and all their angles are.

    Attributes:
        size: Height and width of the image in pixels.
    """

    size: int
    _radians: tuple[float, ...]

    def __init__(
        self,
        size: int,
        num_angles: int | None = None,
        *,
        angles: Sequence[float] | Real[np.ndarray | Array, " angles"] | None = None,
    ) -> None:
        """Takes a number of equispaced views or the views themselves.

        Args:
            size: Height and width of the image in pixels, at least 1.
            num_angles: Number of views, equally spaced over 180 degrees, the
                first at 0, the endpoint excluded.
            angles: Instead of `num_angles`, the view angles in radians.

        Raises:
            ValueError: If `size` is below 1, if not exactly one of `num_angles`
                and `angles` is given, or if there is no angle or one that is
                not finite.
        """
        if size < 1:
            raise ValueError(f"size = {size}: expected at least 1 pixel")
        if (num_angles is None) == (angles is None):
            raise ValueError(
                f"num_angles = {num_angles} and angles "
                f"{'missing' if angles is None else 'given'}: expected exactly one"
            )
        object.__setattr__(self, "size", operator.index(size))
        radians = _equispaced(num_angles) if angles is None else _checked(angles)
        object.__setattr__(self, "_radians", tuple(radians.tolist()))

    @property
    def angles(self) -> Float[np.ndarray, " angles"]:
        """View angles in radians, float64, read-only."""
        return np.frombuffer(np.asarray(self._radians, np.float64).tobytes())

    @property
    def num_angles(self) -> int:
        """Number of views."""
        return len(self._radians)

    @property
    def num_detectors(self) -> int:
        """Detectors per view: the diagonal of the image, rounded up."""
        return self.size + math.ceil(math.sqrt(2) * self.size - self.size)

    def every(self, k: int) -> "ParallelBeam":
        """Keeps views 0, k, 2k, ...

        Sub-sampling a sinogram gives the same numbers as projecting only these
        views, so the views that are dropped need never be computed. If `k` does
        not divide the number of views, the last gap is narrower than the rest.

        Args:
            k: Step, at least 1.

        Raises:
            ValueError: If `k` is below 1.
        """
        if k < 1:
            raise ValueError(f"k = {k}: expected to keep every k-th angle, k >= 1")
        return ParallelBeam(self.size, angles=self._radians[::k])

    def within(self, first: float, last: float) -> "ParallelBeam":
        """Keeps the views of a limited arc.

        Args:
            first: Smallest angle kept, in radians.
            last: Largest angle kept, in radians.

        Raises:
            ValueError: If no view lies in the arc.
        """
        kept = [angle for angle in self._radians if first <= angle <= last]
        if not kept:
            raise ValueError(f"no view lies within {first} and {last} radians")
        return ParallelBeam(self.size, angles=kept)

    def __repr__(self) -> str:
        return (
            f"ParallelBeam(size={self.size}, num_angles={self.num_angles}, "
            f"num_detectors={self.num_detectors})"
        )


def _equispaced(num_angles: int | None) -> Float[np.ndarray, " angles"]:
    if num_angles is None or num_angles < 1:
        raise ValueError(f"num_angles = {num_angles}: expected at least 1")
    # Through degrees, as users of scikit-image do: the last bit then agrees.
    return np.deg2rad(np.linspace(0.0, 180.0, num_angles, endpoint=False))


def _checked(
    angles: Sequence[float] | Real[np.ndarray | Array, " angles"],
) -> Float[np.ndarray, " angles"]:
    radians = np.asarray(angles, np.float64)
    if radians.ndim != 1 or radians.size == 0:
        raise ValueError(
            f"angles of shape {radians.shape}: expected [angles] with at least 1 angle"
        )
    if not np.isfinite(radians).all():
        where = int(np.flatnonzero(~np.isfinite(radians))[0])
        raise ValueError(f"angles[{where}] = {radians[where]}: expected finite radians")
    return radians


def as_sinogram(
    values: Real[Array | np.ndarray, "*batch angles detectors"], beam: ParallelBeam
) -> Sinogram:
    """Views of a beam, as float32 unless they are float64.

    Raises:
        ValueError: If the shape is not the beam's.
    """
    sinogram = jnp.asarray(values)
    if sinogram.shape[-2:] != (beam.num_angles, beam.num_detectors):
        raise ValueError(
            f"sinogram of shape {sinogram.shape}: expected "
            f"[..., {beam.num_angles}, {beam.num_detectors}]"
        )
    return sinogram.astype(jnp.promote_types(sinogram.dtype, jnp.float32))


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

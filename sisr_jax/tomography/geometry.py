"""Which rays a parallel-beam scanner measures.

Conventions (axes, centre, sign, units) are in the docstring of the package.
"""

import dataclasses
import math
import warnings
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Real

from sisr_jax.geometries import host_numbers, whole_number
from sisr_jax.reals import as_real
from sisr_jax.types import Sinogram

# Larger angles than two turns, or whole numbers larger than one, are taken for degrees.
_TURN = 2 * math.pi

Angles = Sequence[int | float] | Real[np.ndarray | Array, " angles"]


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, init=False, repr=False)
class ParallelBeam:
    """A set of parallel-beam views of a square image.

    Immutable, hashable and comparable: a static argument of `jax.jit`, declared as
    such or not (it is a pytree without leaves). Two beams are equal if their sizes
    and all their angles are.

    Attributes:
        size: Height and width of the image in pixels.

    Examples:
        >>> from sisr_jax.tomography import ParallelBeam
        >>> beam = ParallelBeam(size=16, num_angles=24)
        >>> beam.num_angles, beam.num_detectors
        (24, 23)
        >>> beam.every(4).num_angles
        6
        >>> beam == ParallelBeam(size=16, num_angles=24)
        True
    """

    size: int
    _radians: tuple[float, ...]

    def __init__(
        self,
        size: int,
        num_angles: int | None = None,
        *,
        angles: Sequence[int | float]
        | Real[np.ndarray | Array, " angles"]
        | None = None,
    ) -> None:
        """Takes a number of equispaced views or the views themselves.

        Args:
            size: Height and width of the image in pixels, at least 1.
            num_angles: Number of views, equally spaced over 180 degrees, the
                first at 0, the endpoint excluded.
            angles: Instead of `num_angles`, the view angles in radians.

        Raises:
            TypeError: If `size` or `num_angles` is no whole number, or jax traces the
                angles.
            ValueError: If `size` is below 1, if not exactly one of `num_angles`
                and `angles` is given, or if there is no angle or one that is
                not finite.

        Warns:
            UserWarning: If the angles look like degrees.
        """
        size = whole_number("size", size, "pixels along a side")
        if size < 1:
            raise ValueError(f"size = {size}: expected at least 1 pixel")
        if (num_angles is None) == (angles is None):
            raise ValueError(
                f"num_angles = {num_angles} and angles "
                f"{'missing' if angles is None else 'given'}: expected exactly one"
            )
        if num_angles is not None:
            radians = _equispaced(
                whole_number(
                    "num_angles", num_angles, "views; the views are angles=..."
                )
            )
        else:
            radians = checked_angles(angles)
            warn_of_degrees("angles", radians)
        object.__setattr__(self, "size", size)
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
            TypeError: If `k` is no whole number.
            ValueError: If it is below 1.
        """
        return self._of(every_kth(self._radians, k))

    def within(self, first: int | float, last: int | float) -> "ParallelBeam":
        """Keeps the views of a limited arc.

        Args:
            first: Smallest angle kept, in radians.
            last: Largest angle kept, in radians.

        Raises:
            ValueError: If no view lies in the arc.

        Warns:
            UserWarning: If the ends look like degrees.
        """
        return self._of(in_arc(self._radians, first, last))

    def _of(self, radians: tuple[float, ...]) -> "ParallelBeam":
        """Some of the views, which were checked when this beam was made."""
        beam = object.__new__(ParallelBeam)
        object.__setattr__(beam, "size", self.size)
        object.__setattr__(beam, "_radians", radians)
        return beam

    def __repr__(self) -> str:
        return (
            f"ParallelBeam(size={self.size}, num_angles={self.num_angles}, "
            f"num_detectors={self.num_detectors})"
        )


def every_kth(radians: tuple[float, ...], k: int) -> tuple[float, ...]:
    """Angles 0, k, 2k, ... of some.

    Raises:
        TypeError: If `k` is no whole number.
        ValueError: If it is below 1.
    """
    k = whole_number("k", k, "angles")
    if k < 1:
        raise ValueError(f"k = {k}: expected to keep every k-th angle, k >= 1")
    return radians[::k]


def in_arc(
    radians: tuple[float, ...], first: int | float, last: int | float
) -> tuple[float, ...]:
    """Those of some angles that lie between two, both included.

    Raises:
        ValueError: If there is none.
    """
    warn_of_degrees("first and last", np.array([first, last], np.float64), depth=4)
    kept = tuple(angle for angle in radians if first <= angle <= last)
    if not kept:
        raise ValueError(f"no view lies within {first} and {last} radians")
    return kept


def warn_of_degrees(
    name: str, radians: Float[np.ndarray, " angles"], *, depth: int = 3
) -> None:
    """Warns, at the caller `depth` calls up, of angles that look like degrees."""
    size = np.abs(radians[np.isfinite(radians)]).max(initial=0)
    whole = (radians == np.round(radians)).all()
    if size > 2 * _TURN * (1 + 1e-6) or (whole and size > _TURN):
        warnings.warn(
            f"{name} up to {size:g}: expected radians, these look like degrees",
            stacklevel=depth,
        )


def _equispaced(num_angles: int) -> Float[np.ndarray, " angles"]:
    if num_angles < 1:
        raise ValueError(f"num_angles = {num_angles}: expected at least 1")
    # Through degrees, as users of scikit-image do: the last bit then agrees.
    return np.deg2rad(np.linspace(0.0, 180.0, num_angles, endpoint=False))


def checked_angles(angles: Angles | None) -> Float[np.ndarray, " angles"]:
    """Angles in radians, float64.

    Raises:
        TypeError: If jax traces them.
        ValueError: If there is none, or one that is not finite.
    """
    radians = host_numbers("angles", angles)
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
        TypeError: If they are complex.
        ValueError: If the shape is not the beam's.
    """
    sinogram = as_real(values, "sinogram")
    if sinogram.shape[-2:] != (beam.num_angles, beam.num_detectors):
        raise ValueError(
            f"sinogram of shape {sinogram.shape}: expected "
            f"[..., {beam.num_angles}, {beam.num_detectors}]{no_channels(sinogram)}"
        )
    return sinogram


def no_channels(planes: Array) -> str:
    """What to add to a message about a shape that may have an axis too many."""
    return ", without an axis of channels" if planes.shape[-1:] == (1,) else ""

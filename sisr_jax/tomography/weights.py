"""The angle that each view of a beam stands for.

Filtered back-projection integrates over the directions of lines, half a turn: a view at
`angle + pi` sees the same lines as one at `angle`. The weights are the parts of that
integral, in radians. If the views go all around they add up to pi, and a disc keeps its
mean, whatever the angles are: in any order, over several turns, repeated or irregular.
"""

from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Float, Int

from sisr_jax.tomography.geometry import ParallelBeam

Weights = Literal["gaps", "uniform"]

# Directions closer than this are one: what float32 leaves of the angles of two turns,
# and a hundredth of a pixel at the rim of a 2048 x 2048 image.
_SAME_DIRECTION = 1e-5

# An arc that was not measured is wider than any gap between views by this factor: more
# than the gap that one left-out view makes among equispaced ones.
_OPEN = 2.0 + 1e-6

# And by this many standard deviations of those gaps, 0 among equispaced views.
# Of random ones the widest gap exceeds the next by t means with probability e^-t.
_DEVIATIONS = 8.0

# A scan has few of them, with some views between any two; more wide gaps than that are
# a change of density.
_MOST_ARCS = 4
_FEWEST_VIEWS = 3


def angular_weights(
    beam: ParallelBeam, *, weights: Weights = "gaps"
) -> Float[np.ndarray, " angles"]:
    """The angle that each view stands for, in radians.

    `uniform` is scikit-image's: 180 degrees in equal parts, whatever the angles are,
    so that views of a limited arc are scaled as if they covered all directions.

    `gaps` halves the gap between two neighbouring directions and gives either a half
    (the trapezoidal rule on the half circle). Views of one direction share its part
    equally. Up to four gaps that stand out from all others are arcs that were not
    measured: their ends get half of the median gap. Without such an arc the weights add
    up to pi. Among few random angles (3 in 10 draws of three, 1 in 100 of twenty) a gap
    may stand out by chance: state the weights then.

    Args:
        beam: The rays.
        weights: Which of the two.

    Raises:
        ValueError: If the name is unknown.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.tomography import ParallelBeam, angular_weights
        >>> uneven = ParallelBeam(size=16, angles=np.deg2rad([0, 10, 40, 90, 120, 150]))
        >>> print(np.rad2deg(angular_weights(uneven)).round(3))
        [20. 20. 40. 40. 30. 30.]
    """
    if weights not in get_args(Weights):
        raise ValueError(f"weights = {weights!r}: expected one of {get_args(Weights)}")
    if weights == "uniform":
        return np.full(beam.num_angles, np.pi / beam.num_angles)
    return shares(directions(beam.angles, np.pi))


def angular_gaps(beam: ParallelBeam) -> Float[np.ndarray, "2 angles"]:
    """The gaps after and before each view, to the next other direction, in radians.

    One that stands for an arc that was not measured counts as the median.
    """
    return angular_gaps_of(directions(beam.angles, np.pi))


class Directions(NamedTuple):
    """Which directions some angles have, in rising order around a circle.

    Attributes:
        of_view: Which direction each angle has.
        starts: The directions in radians, from 0 to the period.
        gaps: The gap from each direction to the next.
        unmeasured: Which of the gaps stand out as arcs that were not measured.
    """

    of_view: Int[np.ndarray, " angles"]
    starts: Float[np.ndarray, " directions"]
    gaps: Float[np.ndarray, " directions"]
    unmeasured: Bool[np.ndarray, " directions"]


def directions(angles: Float[np.ndarray, " angles"], period: float) -> Directions:
    """Sorts angles around a circle, where those that hardly differ are one.

    Args:
        angles: In radians, in any order.
        period: Of what is measured: pi for lines, two pi for a source.
    """
    angles = np.mod(angles, period)
    order = np.argsort(angles)
    angles = angles[order]
    differs = np.diff(angles, append=angles[0] + period) > _SAME_DIRECTION
    first = np.flatnonzero(np.concatenate([[True], differs[:-1]]))
    direction = np.empty(len(order), int)
    direction[order] = np.concatenate([[0], np.cumsum(differs[:-1])])
    if not differs[-1] and len(first) > 1:
        # The last ones are the first ones a period later.
        direction[direction == len(first) - 1] = 0
        first = first[:-1]
    starts = angles[first]
    gaps = np.diff(starts, append=starts[0] + period)
    return Directions(direction, starts, gaps, _unmeasured(gaps))


def shares(found: Directions) -> Float[np.ndarray, " angles"]:
    """Half of the gaps on either side of each view, in radians; see `angular_gaps`."""
    around = angular_gaps_of(found)
    return around.mean(axis=0) / np.bincount(found.of_view)[found.of_view]


def angular_gaps_of(found: Directions) -> Float[np.ndarray, "2 angles"]:
    """See `angular_gaps`."""
    gaps = np.where(found.unmeasured, np.median(found.gaps), found.gaps)
    return np.stack([gaps, np.roll(gaps, 1)])[:, found.of_view]


def _unmeasured(
    gaps: Float[np.ndarray, " directions"],
) -> Bool[np.ndarray, " directions"]:
    """Which gaps are arcs that were not measured, see the constants above."""
    falling = np.sort(gaps)[::-1]
    for count in range(min(_MOST_ARCS, len(gaps) // _FEWEST_VIEWS), 0, -1):
        others = falling[count:]
        widest = others[0]
        limit = max(_OPEN * widest, widest + _DEVIATIONS * others.std())
        found = gaps > limit
        if found.sum() == count and _views_between(found) >= _FEWEST_VIEWS:
            return found
    return np.zeros(len(gaps), bool)


def _views_between(found: Bool[np.ndarray, " directions"]) -> int:
    """Fewest directions from one of the marked gaps to the next."""
    places = np.flatnonzero(found)
    return int(np.diff(places, append=places[0] + len(found)).min())

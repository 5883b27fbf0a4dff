"""Which product computes which view of a beam, and where its result lies."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sisr_jax.tomography.geometry import ParallelBeam
from sisr_jax.tomography.parity import pad

# Slopes closer than this are one: at the rim of a 2048 x 2048 image the rays differ
# by 1e-7 pixel.
_SAME_SLOPE = 1e-10


@dataclasses.dataclass(frozen=True, eq=False)
class Slopes:
    """Views of one group before their matrices are made.

    Attributes:
        along_rows: See `ViewGroup`.
        mirrored: See `ViewGroup`.
        slope: Pixels that a ray moves along the line from one line to the next.
        scale: Distance of rays, in detectors, that are one pixel apart along the
            line; positive.
    """

    along_rows: tuple[bool, ...]
    mirrored: bool
    slope: Float[np.ndarray, " slopes"]
    scale: Float[np.ndarray, " slopes"]

    @property
    def num_slots(self) -> int:
        """Number of views that the group computes."""
        return len(self.along_rows) * (1 + self.mirrored) * len(self.slope)


@dataclasses.dataclass(frozen=True, eq=False)
class Layout:
    """Which group computes which view.

    The views of all groups in a row are the slots: for each group, sign of the
    slope and direction of the lines, the slopes.

    Attributes:
        groups: The groups.
        slot: Slot of each view of the beam; no two share one.
        sign: -1.0 for views that see the line from its end, else 1.0.
    """

    groups: tuple[Slopes, ...]
    slot: np.ndarray
    sign: Float[np.ndarray, " angles"]


@functools.lru_cache(maxsize=64)
def layout(beam: ParallelBeam) -> Layout:
    """Sorts the views of a beam into groups.

    Rays within 45 degrees of the vertical cross every row once and are sheared
    along the rows, the others along the columns.
    """
    cos, sin = np.cos(beam.angles), np.sin(beam.angles)
    by_row = np.abs(cos) >= np.abs(sin) - _SAME_SLOPE
    scale = np.where(by_row, cos, -sin)
    slope = np.where(by_row, -sin, cos) / scale
    magnitude, member = np.unique(
        np.round(np.abs(slope) / _SAME_SLOPE), return_inverse=True
    )
    positive = slope >= 0
    use = (2 * (1 - positive) + (1 - by_row)) * len(magnitude) + member
    if 2 * len(magnitude) < beam.num_angles and len(np.unique(use)) == len(use):
        # Four views a slope, as in a full turn of equispaced ones.
        steep = magnitude * _SAME_SLOPE
        scales = 1 / np.hypot(1, steep)
        groups = (Slopes((True, False), True, steep, scales),)
        return Layout(groups, use, np.sign(scale))
    groups, slot = [], np.empty(beam.num_angles, int)
    for rows in (True, False):
        (views,) = np.nonzero(by_row == rows)
        slot[views] = sum(group.num_slots for group in groups) + np.arange(len(views))
        if len(views):
            slopes = _filled_up(slope[views]), _filled_up(np.abs(scale[views]))
            groups.append(Slopes((rows,), False, *slopes))
    return Layout(tuple(groups), slot, np.sign(scale))


def _filled_up(values: Float[np.ndarray, " views"]) -> Float[np.ndarray, " slopes"]:
    """Repeats the last value until a register of a TPU, 8 rows, is full.

    The slots of the repeats are computed for nothing, which costs it less than a
    last register filled in part. A few views would be many more for other processors.
    """
    missing = -len(values) % 8 if len(values) > 16 else 0
    return np.pad(values, (0, missing), mode="edge")


def pick(
    slots: Float[Array, "planes slots detectors"], slot: np.ndarray
) -> Float[Array, "planes angles detectors"]:
    """Puts the computed views into the order of the beam.

    By slices and not by an index array, which would be a gather.
    """
    step = np.diff(slot)
    # A run goes on as long as its steps are all +1 or all -1.
    runs, start = [], 0
    for end in range(1, len(slot) + 1):
        direction = step[start] if start + 1 < len(slot) else 1
        if end < len(slot) and step[end - 1] == direction and abs(direction) == 1:
            continue
        low, high = sorted((slot[start], slot[end - 1]))
        run = slots[:, low : high + 1]
        runs.append(run if slot[start] == low else jnp.flip(run, axis=1))
        start = end
    return jnp.concatenate(runs, axis=1)


def place(
    half: Float[Array, "planes angles half_detectors"], order: Layout
) -> Float[Array, "planes slots half_detectors"]:
    """Transpose of `pick`: zeros where no view asks for a slot."""
    num_slots = sum(group.num_slots for group in order.groups)
    views = np.full(num_slots, len(order.slot))
    views[order.slot] = np.arange(len(order.slot))
    return pick(pad(half, (0, 1), 1), views)

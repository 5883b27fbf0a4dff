"""The ray table of a fan beam, made once on the host.

Every view needs 8 bytes for each of about 1.7 pixels that a ray meets in a line of the
image, and as many again for the transpose; views that a symmetry of the square turns
into each other share them (`square_symmetry`). For 512 x 512 pixels, 560 detectors and
60 or 360 views of a full turn that is 60 or 340 MB.
"""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from sisr_jax.geometries import recognised_by_nnx
from sisr_jax.tomography.fan_geometry import FanBeam
from sisr_jax.tomography.ray_table import matrix_of, ray_table, stacked, transposed
from sisr_jax.tomography.square_symmetry import SharedViews, shared_views


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class PlannedFan:
    """A fan beam and its ray table: a pytree, so that it can be an argument of `jit`.

    The table is constant to differentiation.

    Attributes:
        fan: The rays.
        project: Rows of the tabulated views, see `ray_table.Matrix`.
        back_project: The transpose.
    """

    fan: FanBeam = dataclasses.field(metadata={"static": True})
    project: Any
    back_project: Any

    def __new__(cls, *_: Any, **__: Any) -> "PlannedFan":  # noqa: D102  # nothing to call
        recognised_by_nnx(cls)
        return super().__new__(cls)


@functools.lru_cache(maxsize=64)
def views_of(fan: FanBeam) -> SharedViews:
    """Which views are tabulated for which."""
    mirrors = fan.detector_offset_mm == 0
    return shared_views(fan.angles.tolist(), mirrors=mirrors)


@functools.lru_cache(maxsize=4)
def plan_fan(fan: FanBeam) -> PlannedFan:
    """Computes the ray table of a fan beam; the last four are kept."""
    fan_angles = fan.fan_angles
    offsets = fan.source_to_origin_mm / fan.pixel_mm * np.sin(fan_angles)
    rows = stacked(
        [
            ray_table(angle + fan_angles, offsets, fan.size, fan.pixel_mm)
            for angle in views_of(fan).angles
        ]
    )
    num_pixels = fan.size**2
    columns = transposed(rows, num_pixels)
    # The plan outlives the trace that asks for it first.
    with jax.ensure_compile_time_eval():
        return PlannedFan(
            fan, matrix_of(rows, num_pixels), matrix_of(columns, len(rows.counts))
        )

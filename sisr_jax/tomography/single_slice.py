"""Single-slice rebinning: one slice of a helical or axial scan as a fan beam.

Noo, Defrise & Clackdoyle (1999), "Single-slice rebinning method for helical cone-beam
CT", Physics in Medicine and Biology 44(2), 561-570. A ray of the slice is replaced by
the measured one above or below it that meets it half way through the scanner, at the
point nearest to the axis, times the cosine of its slope. What lies there counts in its
place, what lies towards the ends of the ray is seen at another height: the error grows
with the slope.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from sisr_jax.tomography.cone_views import ConeViews
from sisr_jax.tomography.fan_fbp import TURN
from sisr_jax.tomography.fan_geometry import FanBeam, FanScan

# Largest step between views over the usual one: a single view may be missing.
_WIDEST = 2.5


def views_of_slice(
    views: ConeViews, *, height_mm: float, arc: float = TURN
) -> Int[np.ndarray, " some"]:
    """Which views a slice is made of: an arc of the turn that passes it.

    Args:
        views: Of the whole scan.
        height_mm: Of the slice.
        arc: In radians. Views of a short arc are nearer to the slice, so that their
            rays slope less; those of a whole turn have less noise.

    Returns:
        Indices, neighbours; of an axial scan the first ones.

    Raises:
        ValueError: If the views do not turn in one direction and climb evenly, the arc
            is no turn and shorter than half a turn and the fan, or it is not all there:
            too short a scan, or several views missing at one place.
    """
    steps = np.diff(views.angles)
    if len(steps) < 2 or not (np.all(steps > 0) or np.all(steps < 0)):
        raise ValueError(
            f"{len(steps) + 1} views whose angles step by {_ends(steps)} rad: expected "
            "views that turn in one direction"
        )
    shortest = min(TURN, math.pi + 2 * np.abs(views.column_angles).max())
    if not shortest - 1e-6 <= arc <= TURN + 1e-6:
        raise ValueError(
            f"arc = {arc:g} rad: expected half a turn and the fan, {shortest:g}, to a "
            f"turn, {TURN:g}"
        )
    step = np.median(np.abs(steps))
    count = round(arc / step)
    start = _first_view(views, height_mm, count)
    if not 0 <= start <= len(views.angles) - count:
        raise ValueError(
            f"height_mm = {height_mm:g}: its arc of {count} views is not all among the "
            f"{len(views.angles)} of heights {_ends(views.heights_mm)} mm"
        )
    widest = np.abs(steps[start : start + count - 1]).max(initial=0)
    if widest > _WIDEST * step:
        raise ValueError(
            f"height_mm = {height_mm:g}: in its arc views step by {step:.4g} rad, and "
            f"once by {widest:.4g}: expected no views to be missing"
        )
    return np.arange(start, start + count)


def rebin_slice(
    measured: Iterable[Float[np.ndarray, "rows columns"]],
    views: ConeViews,
    *,
    height_mm: float,
    size: int,
    pixel_mm: float,
) -> FanScan:
    """Makes the fan beam of one slice from cone-beam views.

    Rows are interpolated linearly. The fan's source is at the mean distance of the
    focal spots; where they fly, columns are interpolated, too, and a view has the mean
    angle of its rays.

    Args:
        measured: Line integrals of each view, in order; an array, or one at a time.
        views: Of the same views, see `views_of_slice`.
        height_mm: Of the slice.
        size: Height and width of the image in pixels.
        pixel_mm: Side of a pixel.

    Raises:
        ValueError: If a ray of the slice meets no row of the detector, the focal spot
            moves the rays of a view by more than half a detector against each other,
            the numbers of views differ, or as `FanBeam`.
    """
    radius = views.source_to_origin_mm + float(np.mean(views.radius_shifts_mm))
    rays = _rays(views)
    fan_angles = np.arcsin(rays.distance / radius)
    turned = rays.direction - fan_angles
    angles = turned.mean(axis=1)
    middle = (views.num_columns - 1) / 2
    fan = FanBeam(
        size=size,
        pixel_mm=pixel_mm,
        source_to_origin_mm=radius,
        source_to_detector_mm=views.source_to_detector_mm,
        num_detectors=views.num_columns,
        detector_pitch_mm=views.column_pitch_mm,
        detector="arc",
        detector_offset_mm=(middle - views.central_column) * views.column_pitch_mm,
        angles=angles - TURN * np.floor(angles.min() / TURN),  # of a helix of many
    )
    # Half of each ray within the scanner.
    half = np.sqrt(np.max(rays.distance**2) - rays.distance**2)
    apart = np.abs((turned - angles[:, None]) * half).max()
    if apart > fan.pitch_at_origin_mm / 2:
        raise ValueError(
            f"focal spots that move the rays of a view by {apart:.3g} mm against each "
            f"other: expected at most half a detector, {fan.pitch_at_origin_mm / 2:.3g}"
        )
    spots = (views.heights_mm + views.height_shifts_mm)[:, None]
    rise = (height_mm - spots) * rays.length / rays.to_middle
    rows = spots + rise - views.heights_mm[:, None]
    rows = views.central_row + rows / views.row_pitch_mm
    _check_rows(rows, views.num_rows, height_mm)
    shorter = rays.length / np.hypot(rays.length, rise)
    sinogram = np.empty(rows.shape, np.float32)
    for index, view in zip(range(len(rows)), measured, strict=True):
        if view.shape != (views.num_rows, views.num_columns):
            raise ValueError(
                f"view {index} of shape {view.shape}: expected {views.num_rows} rows "
                f"and {views.num_columns} columns"
            )
        values = _at_rows(view, rows[index]) * shorter[index]
        sinogram[index] = np.interp(fan.fan_angles, fan_angles[index], values)
    return FanScan(sinogram, fan)


class _Rays(NamedTuple):
    """In the plane, `[views, columns]`: lines as in `FanBeam`, and lengths in mm."""

    direction: np.ndarray
    distance: np.ndarray
    length: np.ndarray
    to_middle: np.ndarray


def _rays(views: ConeViews) -> _Rays:
    """The lines from focal spots to columns."""
    centre = _polar(views.angles[:, None], views.source_to_origin_mm)
    spot = _polar(
        (views.angles + views.angle_shifts)[:, None],
        (views.source_to_origin_mm + views.radius_shifts_mm)[:, None],
    )
    angle = views.angles[:, None] + views.column_angles
    across, along = centre - _polar(angle, views.source_to_detector_mm) - spot
    length = np.hypot(across, along)
    turned = np.arctan2(across, -along)
    # Of the turn that the view is in.
    direction = angle + np.mod(turned - angle + math.pi, TURN) - math.pi
    distance = spot[0] * np.cos(direction) + spot[1] * np.sin(direction)
    to_middle = -(spot[0] * across + spot[1] * along) / length
    return _Rays(direction, distance, length, to_middle)


def _polar(
    angle: Float[np.ndarray, "views _"], radius: float | Float[np.ndarray, "views 1"]
) -> Float[np.ndarray, "2 views _"]:
    """Points where `FanBeam` has its source."""
    return np.stack(np.broadcast_arrays(-np.sin(angle), np.cos(angle))) * radius


def _first_view(views: ConeViews, height_mm: float, count: int) -> int:
    half_a_row = views.row_pitch_mm / views.source_to_detector_mm / 2
    half_a_row *= views.source_to_origin_mm
    if np.ptp(views.heights_mm) <= half_a_row:
        return 0
    turned = views.angles - views.angles[0]
    climb, start = np.polyfit(turned, views.heights_mm, 1)
    uneven = np.abs(start + climb * turned - views.heights_mm).max()
    if uneven > half_a_row:
        raise ValueError(
            f"views at heights {_ends(views.heights_mm)} mm, up to {uneven:.3g} mm off "
            f"a helix: expected one height, or at most half a row, {half_a_row:.3g}"
        )
    nearest = int(np.argmin(np.abs(start + climb * turned - height_mm)))
    return nearest - count // 2


def _check_rows(
    rows: Float[np.ndarray, "views columns"], num_rows: int, height_mm: float
) -> None:
    """Refuses rays beyond the rows: half a row from the middle of the last one."""
    beyond = max(-0.5 - rows.min(), rows.max() - num_rows + 0.5)
    if beyond > 1e-3:
        raise ValueError(
            f"height_mm = {height_mm:g}: rays of the slice miss the detector by up to "
            f"{beyond:.3g} of its {num_rows} rows: expected another height, or of a "
            "helix a shorter arc"
        )


def _at_rows(
    view: Float[np.ndarray, "rows columns"], rows: Float[np.ndarray, " columns"]
) -> Float[np.ndarray, " columns"]:
    """Values between the rows of a view, of each column at a place of its own."""
    rows = np.clip(rows, 0, len(view) - 1)
    first = np.minimum(rows.astype(int), max(len(view) - 2, 0))
    share = rows - first
    columns = np.arange(view.shape[1])
    last = np.minimum(first + 1, len(view) - 1)
    return (1 - share) * view[first, columns] + share * view[last, columns]


def _ends(values: np.ndarray) -> str:
    """Smallest and largest, for messages."""
    return f"{values.min():.4g} to {values.max():.4g}" if values.size else "nothing"

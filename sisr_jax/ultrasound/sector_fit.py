"""The sector that scan-converted frames were drawn in, found from where they are lit.

A frame that was stored as a picture has no beams any more. If its outline is a sector,
the apex is where the two straight sides meet, the first and the last line are these
sides, and the radii are those of the arcs. How many lines there were, nobody knows.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from sisr_jax.geometries import whole_number
from sisr_jax.ultrasound.scan_conversion import fan_mask
from sisr_jax.ultrasound.sector import CartesianGrid, PolarGrid

# Points of a side are within so many pixels of a straight line, and at least so many.
_TOLERANCE, _FEWEST = 1.5, 12
# Sides are tried through pairs of so many points.
_TRIED = 64
# Shares of the lit pixels that the arcs leave out, against single stray pixels.
_STRAY = 0.002


# A narrower one is as good as the rectangle of a linear array, or of a frame.
_NARROWEST = math.radians(20)


class SectorFit(NamedTuple):
    """A sector, in pixels.

    Attributes:
        polar: Samples along its lines, with radii in pixels from the apex.
        cartesian: Pixels of the picture around the apex.
        overlap: Pixels that are lit and in the sector, as a share of those that are
            either.
    """

    polar: PolarGrid
    cartesian: CartesianGrid
    overlap: float


def fit_sector(
    lit: Bool[np.ndarray, "height width"],
    *,
    num_depths: int,
    num_lines: int,
    least_overlap: float = 0.98,
) -> SectorFit:
    """Fits a sector to the outline of lit pixels, and checks it.

    Args:
        lit: True where any frame of an acquisition shows something; what is dark inside
            does not matter, letters outside do.
        num_depths: Samples along a line of the result.
        num_lines: Lines of the result.
        least_overlap: Below it, the outline is no sector.

    Returns:
        The sector, for `to_polar` and `ScanConversion`.

    Raises:
        TypeError: If a number of samples or lines is no whole number.
        ValueError: If it is below 2, or the outline has no two straight sides that
            open downwards, or is no sector.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.ultrasound import CartesianGrid, PolarGrid, fan_mask
        >>> from sisr_jax.ultrasound.sector_fit import fit_sector
        >>> polar = PolarGrid.equispaced(
        ...     99, 11, first_radius=60, radial_step=2, first_angle=-0.5, angle_step=0.1
        ... )
        >>> picture = CartesianGrid((260, 280), (1.0, 1.0), (0.0, -140.0))
        >>> lit = np.asarray(fan_mask(polar, picture))
        >>> fit = fit_sector(lit, num_depths=99, num_lines=11)
        >>> fit.polar.angles[[0, -1]].round(2).tolist()
        [-0.5, 0.5]
    """
    num_depths = whole_number("num_depths", num_depths, "samples", least=2)
    num_lines = whole_number("num_lines", num_lines, "lines", least=2)
    lit = np.asarray(lit, bool)
    if lit.ndim != 2:
        raise ValueError(f"lit of shape {lit.shape}: expected height, width")
    lit = _filled(lit)
    rows = np.flatnonzero(lit.any(1))
    if len(rows) < _FEWEST:
        raise ValueError(
            f"{len(rows)} rows are lit: expected a sector of {_FEWEST} or more"
        )
    left, right = _side(lit, "left"), _side(lit[:, ::-1], "right")
    # Seen in a mirror: columns count from the other end.
    right = -right[0], lit.shape[1] - 1 - right[1]
    first, last = math.atan(left[0]), math.atan(right[0])
    if not last - first > _NARROWEST:
        raise ValueError(
            f"sides open by {math.degrees(last - first):.1f} degrees: expected more "
            f"than {math.degrees(_NARROWEST):.0f}"
        )
    # Columns are slope * row + start on either side.
    apex_row = (left[1] - right[1]) / (right[0] - left[0])
    apex = apex_row, left[0] * apex_row + left[1]
    row, column = np.nonzero(lit)
    radius = np.hypot(row - apex[0], column - apex[1])
    near, far = np.quantile(radius, [_STRAY, 1 - _STRAY])
    polar = PolarGrid(
        np.linspace(near, far, num_depths),
        np.linspace(first, last, num_lines),
    )
    height, width = lit.shape
    cartesian = CartesianGrid((height, width), (1.0, 1.0), (-apex[0], -apex[1]))
    inside = np.asarray(fan_mask(polar, cartesian))
    overlap = float((inside & lit).sum() / (inside | lit).sum())
    if overlap < least_overlap:
        raise ValueError(
            f"the outline and its sector share {overlap:.1%}: expected at least "
            f"{least_overlap:.0%}"
        )
    return SectorFit(polar, cartesian, overlap)


def _filled(lit: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Between the first and the last lit pixel of each column."""
    below = np.logical_or.accumulate(lit, 0)
    return below & np.logical_or.accumulate(lit[::-1], 0)[::-1]


def _side(lit: Bool[np.ndarray, "height width"], name: str) -> tuple[float, float]:
    """Slope and start of the straight line that the left outline has most points on."""
    points = _outline(lit)
    if len(points) < _FEWEST:
        raise ValueError(
            f"the {name} side has {len(points)} points inside of the picture: expected "
            f"{_FEWEST} or more"
        )
    tried = points[
        np.unique(np.linspace(0, len(points) - 1, _TRIED).round().astype(int))
    ]
    one, other = (tried[each] for each in np.triu_indices(len(tried), 1))
    away = other - one
    one, away = one[away[:, 0] != 0], away[away[:, 0] != 0]
    across = away[:, ::-1] / np.hypot(*away.T)[:, None] * (1, -1)
    on = np.abs((points[None] - one[:, None]) @ across[:, :, None])[..., 0] < _TOLERANCE
    best = points[on[np.argmax(on.sum(1))]]
    if len(best) < _FEWEST:
        raise ValueError(
            f"the {name} side has {len(best)} points on a straight line: expected "
            f"{_FEWEST} or more"
        )
    middle = best.mean(0)
    row, column = np.linalg.svd(best - middle, full_matrices=False)[2][0]
    # A side that lies along a row meets no other one above it.
    slope = column / (row or 1e-9)
    return float(slope), float(middle[1] - slope * middle[0])


def _outline(lit: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "points two"]:
    """Rows and columns of the first lit pixel of each row, and of columns to the left.

    Those at the border of the picture are left out: it may cut the sector.
    """
    rows = np.flatnonzero(lit.any(1))
    of_rows = np.stack([rows, lit[rows].argmax(1)], 1)
    columns = np.flatnonzero(lit.any(0))
    columns = columns[columns < columns.mean()]
    of_columns = np.stack([lit[:, columns].argmax(0), columns], 1)
    points = np.concatenate([of_rows, of_columns])
    return points[(points > 0).all(1)].astype(np.float64)

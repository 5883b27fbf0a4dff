"""Where the samples of a beam image and the pixels of its picture are.

Conventions (axes, apex, signs, units) are in the docstring of `scan_conversion`.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float, Real

from sisr_jax.geometries import host_numbers, kept_columns, whole_number

Numbers = Sequence[int | float]


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class PolarGrid:
    """Samples along lines that meet in one point, the apex.

    Immutable, hashable and comparable, so it can be a static argument of
    `jax.jit`. Two grids are equal if all their radii and angles are.

    Examples:
        >>> from sisr_jax.ultrasound import PolarGrid
        >>> polar = PolarGrid.equispaced(
        ...     32,
        ...     16,
        ...     first_radius=10.0,
        ...     radial_step=1.0,
        ...     first_angle=-0.5,
        ...     angle_step=1 / 15,
        ... )
        >>> polar
        PolarGrid(32 radii from 10 to 41, 16 angles from -0.5 to 0.5)
        >>> polar.every(2).shape
        (32, 8)
    """

    _radii: tuple[float, ...]
    _angles: tuple[float, ...]

    def __init__(
        self,
        radii: Numbers | Real[np.ndarray | Array, " depth"],
        angles: Numbers | Real[np.ndarray | Array, " line"],
    ) -> None:
        """Takes explicit tables; `equispaced` makes regular ones.

        Args:
            radii: Distances of the samples of every line from the apex in mm,
                at least 2, increasing, the first at least 0.
            angles: Directions of the lines in radians, at least 2, in
                [-pi, pi], increasing or decreasing (a mirrored probe). 0 is
                straight ahead, positive to the right.

        Raises:
            ValueError: If a table is not as stated.
        """
        depth = _monotone("radii", radii)
        line = _monotone("angles", angles)
        if not 0 <= depth[0] < depth[-1]:
            raise ValueError(
                f"radii from {depth[0]} to {depth[-1]}: expected increasing numbers, "
                "none negative"
            )
        if np.abs(line).max() > math.pi:
            raise ValueError(
                f"angles from {line[0]} to {line[-1]}: expected radians in [-pi, pi]"
            )
        object.__setattr__(self, "_radii", tuple(depth.tolist()))
        object.__setattr__(self, "_angles", tuple(line.tolist()))

    @classmethod
    def equispaced(
        cls,
        num_depths: int,
        num_lines: int,
        *,
        first_radius: int | float,
        radial_step: int | float,
        first_angle: int | float,
        angle_step: int | float,
    ) -> "PolarGrid":
        """Regular sampling.

        Args:
            num_depths: Samples of a line.
            num_lines: Lines.
            first_radius: Distance of sample 0 from the apex in mm: the radius of
                a curved array, 0 for a phased one.
            radial_step: From sample to sample in mm, positive.
            first_angle: Direction of line 0 in radians.
            angle_step: From line to line in radians, not 0.

        Raises:
            TypeError: If a number of samples or lines is no whole number.
            ValueError: As the constructor.
        """
        num_depths = whole_number("num_depths", num_depths, "samples of a line")
        num_lines = whole_number("num_lines", num_lines, "lines")
        return cls(
            first_radius + radial_step * np.arange(num_depths),
            first_angle + angle_step * np.arange(num_lines),
        )

    @property
    def radii(self) -> Float[np.ndarray, " depth"]:
        """Distances from the apex in mm, float64, read-only."""
        return np.frombuffer(np.asarray(self._radii, np.float64).tobytes())

    @property
    def angles(self) -> Float[np.ndarray, " line"]:
        """Directions of the lines in radians, float64, read-only."""
        return np.frombuffer(np.asarray(self._angles, np.float64).tobytes())

    @property
    def shape(self) -> tuple[int, int]:
        """Samples of a line, and lines: the shape of a beam image."""
        return len(self._radii), len(self._angles)

    def every(self, factor: int, offset: int = 0) -> "PolarGrid":
        """Keeps lines `offset`, `offset + factor`, ...

        The geometry of what `decimate_columns` with the same numbers leaves of a beam
        image: a probe that fires fewer lines. The fan ends at the first and the last
        line kept, so it is narrower than the full one by `factor - 1` gaps.

        Args:
            factor: Lines for each line kept, at least 1.
            offset: First line kept, `0 <= offset < factor`.

        Raises:
            TypeError: If `factor` or `offset` is no whole number.
            ValueError: If `factor` or `offset` is out of range, or fewer than 2
                lines are left.
        """
        factor, offset = kept_columns(factor, offset)
        return PolarGrid(self._radii, self._angles[offset::factor])

    def __repr__(self) -> str:
        depth, line = self._radii, self._angles
        return (
            f"PolarGrid({len(depth)} radii from {depth[0]:g} to {depth[-1]:g}, "
            f"{len(line)} angles from {line[0]:g} to {line[-1]:g})"
        )


@dataclasses.dataclass(frozen=True)
class CartesianGrid:
    """Pixels of the picture, by their centres.

    Attributes:
        shape: Height and width in pixels, at least 2 each.
        spacing: Distance of the rows and of the columns in mm, positive.
        origin: Depth and lateral position of pixel `[0, 0]` in mm from the apex.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.ultrasound import CartesianGrid, PolarGrid
        >>> polar = PolarGrid(radii=np.arange(0, 11), angles=np.deg2rad([-90, 0, 90]))
        >>> grid = CartesianGrid.covering(polar, spacing=1.0)  # half a disc of 10 mm
        >>> grid.shape, grid.origin
        ((11, 21), (0.0, -10.0))
    """

    shape: tuple[int, int]
    spacing: tuple[int | float, int | float]
    origin: tuple[int | float, int | float]

    def __post_init__(self) -> None:
        for name in ("shape", "spacing", "origin"):
            numbers = getattr(self, name)
            if host_numbers(name, numbers).shape != (2,):
                raise ValueError(f"{name} = {numbers}: expected two numbers")
        shape = tuple(whole_number("shape", each, "pixels") for each in self.shape)
        object.__setattr__(self, "shape", shape)
        if min(self.shape) < 2:
            raise ValueError(f"shape = {self.shape}: expected at least 2 x 2 pixels")
        if not all(0 < step < math.inf for step in self.spacing):
            raise ValueError(f"spacing = {self.spacing}: expected positive mm")
        if not all(map(math.isfinite, self.origin)):
            raise ValueError(f"origin = {self.origin}: expected finite mm")

    @classmethod
    def covering(cls, polar: PolarGrid, spacing: int | float) -> "CartesianGrid":
        """The smallest grid of square pixels that holds a whole fan.

        What rounding up to whole pixels adds is shared by both sides, so a
        symmetric fan stays in the middle.

        Args:
            polar: The fan.
            spacing: Side of a pixel in mm, positive.

        Raises:
            ValueError: If `spacing` is not positive, or so large that the fan is
                less than a pixel.
        """
        if not 0 < spacing < math.inf:
            raise ValueError(f"spacing = {spacing}: expected positive mm")
        low, high = _bounds(polar)
        steps = np.ceil((high - low) / spacing).astype(int)
        origin = low - (steps * spacing - (high - low)) / 2
        height, width = (steps + 1).tolist()
        depth, lateral = origin.tolist()
        return cls((height, width), (spacing, spacing), (depth, lateral))

    @property
    def rows(self) -> Float[np.ndarray, " height"]:
        """Depths of the rows in mm, float64."""
        return self.origin[0] + self.spacing[0] * np.arange(self.shape[0], dtype=float)

    @property
    def columns(self) -> Float[np.ndarray, " width"]:
        """Lateral positions of the columns in mm, float64."""
        return self.origin[1] + self.spacing[1] * np.arange(self.shape[1], dtype=float)


def _monotone(
    name: str, values: Numbers | Real[np.ndarray | Array, " samples"]
) -> Float[np.ndarray, " samples"]:
    table = host_numbers(name, values)
    if table.ndim != 1 or table.size < 2:
        raise ValueError(f"{name} of shape {table.shape}: expected at least 2 numbers")
    if not np.isfinite(table).all():
        raise ValueError(f"{name} holds {table[~np.isfinite(table)][0]}: not finite")
    steps = np.diff(table)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        where = int(np.argmin(steps * np.sign(table[-1] - table[0])))
        raise ValueError(
            f"{name}[{where}] = {table[where]}, then {table[where + 1]}: expected "
            "numbers that only grow, or only fall"
        )
    return table


def _bounds(polar: PolarGrid) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest (depth, lateral position) of a fan, in mm.

    Each is at a corner of the fan, or where an axis crosses an arc.
    """
    low, high = np.sort(polar.angles[[0, -1]])
    axes = np.linspace(-math.pi, math.pi, 5)
    angle = np.array([low, high, *axes[(low < axes) & (axes < high)]])
    radius = polar.radii[[0, -1], None]
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)])
    return points.min(axis=(1, 2)), points.max(axis=(1, 2))

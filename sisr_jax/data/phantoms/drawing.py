"""Drawing for the procedural phantoms: soft-edged ellipses, warps and textures.

Coordinates are fractions of half the image: x to the right and y downwards, both
in [-1, 1] over the frame. Everything is float32 NumPy and takes its randomness
from the generator it is given.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Ellipse:
    """An ellipse in frame coordinates.

    Attributes:
        x: Centre, to the right.
        y: Centre, downwards.
        a: Half axis along the ellipse's own x direction.
        b: Half axis along its own y direction.
        angle: Rotation in radians, clockwise on the screen (y points down).
    """

    x: float
    y: float
    a: float
    b: float
    angle: float = 0.0

    def scaled(self, factor: float) -> "Ellipse":
        """Same centre and angle, half axes times `factor`."""
        return dataclasses.replace(self, a=self.a * factor, b=self.b * factor)

    def point(self, radius: float, angle: float) -> tuple[float, float]:
        """Frame coordinates of a polar position; radius 1 is the outline."""
        u, v = self.a * radius * np.cos(angle), self.b * radius * np.sin(angle)
        c, s = np.cos(self.angle), np.sin(self.angle)
        return float(self.x + u * c - v * s), float(self.y + u * s + v * c)


class Canvas:
    """Coordinates of every pixel, slightly warped so that no outline is exact.

    A sum of a few slow waves displaces the coordinates; ellipses painted on the
    canvas come out as the irregular, mutually consistent outlines of organs.
    """

    # Largest displacement, as a fraction of the frame's half size, that `_WAVES`
    # waves reach for `warp=1`; painting windows grow by it.
    _WAVES = 4

    def __init__(
        self, rng: np.random.Generator, *, shape: tuple[int, int], warp: float
    ) -> None:
        height, width = shape
        self.shape = shape
        rows = ((2 * np.arange(height) + 1) / height - 1).astype(np.float32)
        columns = ((2 * np.arange(width) + 1) / width - 1).astype(np.float32)
        self._margin = warp
        self.x = columns[None, :] + self._wave(rng, rows, columns, warp)
        self.y = rows[:, None] + self._wave(rng, rows, columns, warp)

    def _wave(
        self,
        rng: np.random.Generator,
        rows: np.ndarray,
        columns: np.ndarray,
        amplitude: float,
    ) -> np.ndarray:
        # cos(p + q) = cos p cos q - sin p sin q makes each wave two outer products.
        count = self._WAVES
        fy, fx = rng.uniform(-5, 5, (2, count)).astype(np.float32)
        phase = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
        weight = rng.dirichlet(np.ones(count)).astype(np.float32) * amplitude
        p = rows[:, None] * fy + phase
        q = columns[:, None] * fx
        left = np.concatenate([np.cos(p) * weight, -np.sin(p) * weight], axis=1)
        right = np.concatenate([np.cos(q), np.sin(q)], axis=1)
        return left @ right.T

    def window(self, ellipse: Ellipse) -> tuple[slice, slice]:
        """Rows and columns that contain the ellipse, warp and soft edge included."""
        height, width = self.shape
        c, s = np.cos(ellipse.angle), np.sin(ellipse.angle)
        half_x = np.hypot(ellipse.a * c, ellipse.b * s) + self._margin
        half_y = np.hypot(ellipse.a * s, ellipse.b * c) + self._margin
        return (
            _span(ellipse.y - half_y, ellipse.y + half_y, height),
            _span(ellipse.x - half_x, ellipse.x + half_x, width),
        )

    def coverage(
        self, ellipse: Ellipse, window: tuple[slice, slice], *, edge: float = 1.0
    ) -> np.ndarray:
        """Fraction of each pixel inside the ellipse, with sub-pixel edges.

        The distance to the outline is the first-order one, `F / |grad F|` of the
        implicit `F`, and the coverage ramps over `edge` pixels across it.

        Args:
            ellipse: What to draw.
            window: Rows and columns to evaluate, from `window`.
            edge: Width of the ramp in pixels, at least 1.

        Returns:
            float32 in [0, 1], of the window's shape.
        """
        dx = self.x[window] - np.float32(ellipse.x)
        dy = self.y[window] - np.float32(ellipse.y)
        c, s = np.float32(np.cos(ellipse.angle)), np.float32(np.sin(ellipse.angle))
        u = (dx * c + dy * s) / np.float32(ellipse.a)
        v = (dy * c - dx * s) / np.float32(ellipse.b)
        implicit = u * u + v * v - 1
        u /= np.float32(ellipse.a)
        v /= np.float32(ellipse.b)
        gradient = 2 * np.sqrt(u * u + v * v) + np.float32(1e-6)
        pixel = 2 / min(self.shape) * edge
        implicit /= gradient * np.float32(-pixel)
        implicit += np.float32(0.5)
        return np.clip(implicit, 0, 1, out=implicit)

    def paint(
        self,
        image: np.ndarray,
        ellipse: Ellipse,
        value: float | np.ndarray,
        *,
        edge: float = 1.0,
    ) -> None:
        """Replaces the image inside the ellipse, in place.

        Args:
            image: float32 `[height, width]`, changed.
            ellipse: Where.
            value: New value, one number or an image of the canvas's shape.
            edge: Width of the soft edge in pixels.
        """
        window = self.window(ellipse)
        view = image[window]
        new = value[window] if isinstance(value, np.ndarray) else np.float32(value)
        view += self.coverage(ellipse, window, edge=edge) * (new - view)


def _span(low: float, high: float, size: int) -> slice:
    # Two pixels more than the outline, for the soft edge.
    start = int((low + 1) / 2 * size) - 2
    stop = int((high + 1) / 2 * size) + 3
    return slice(min(max(start, 0), size), min(max(stop, 0), size))


def texture(
    rng: np.random.Generator, *, shape: tuple[int, int], low: float, high: float
) -> np.ndarray:
    """Correlated Gaussian noise of unit variance in a band of frequencies.

    White noise through the isotropic pass band
    `f * exp(-(f / high)**2) / (f + low)`: flat between the two corner
    frequencies, without a mean.

    Args:
        rng: Source of the noise.
        shape: Height and width.
        low: Lower corner in cycles per pixel.
        high: Upper corner in cycles per pixel, at most 0.5.

    Returns:
        float32 `[height, width]`, mean 0, standard deviation 1.
    """
    noise = rng.standard_normal(shape, dtype=np.float32)
    fy = np.fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(shape[1]).astype(np.float32)[None, :]
    f = np.sqrt(fy * fy + fx * fx)
    response = f * np.exp(-np.square(f / np.float32(high))) / (f + np.float32(low))
    filtered = np.fft.irfft2(np.fft.rfft2(noise) * response, s=shape)
    return (filtered / filtered.std()).astype(np.float32)

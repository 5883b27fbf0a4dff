"""Maps of echo strength in beam space: what a simulator of speckle starts from.

Rows are depth and columns are lines, so that shadows fall along columns whatever the
array. A map is the B-mode image without speckle: its values are dB on the display on
which `CEILING_DB` is the brightest. Interfaces are where it changes along a column, see
`sisr_jax.ultrasound.speckle`.
"""

from typing import NamedTuple

import numpy as np

from sisr_jax.data.phantoms.drawing import Canvas, Ellipse
from sisr_jax.data.phantoms.ultrasound import beam_below, random_ellipse
from sisr_jax.errors import InputError

# Average tissue, and fluid that gives no echo.
TISSUE_DB, CEILING_DB = -22.0, 0.0
_FLUID_DB = -70.0


class EchoMap(NamedTuple):
    """A map, and where numbers can be measured in it.

    Every map has one organ of one echo strength with one cyst in it. Boxes are
    `[1, 4]`: first column, first row, last column and last row.

    Attributes:
        level: float32 `[depth, line]` in dB.
        inside: A box in the cyst.
        outside: A box at the same depth, in the organ; its speckle is homogeneous.
    """

    level: np.ndarray
    inside: np.ndarray
    outside: np.ndarray


def echo_map(seed: int, index: int, shape: tuple[int, int]) -> EchoMap:
    """Draws one random map: layers, masses, cysts, stones with shadows, an organ.

    Args:
        seed: Seed of the collection, at least 0.
        index: Which map of the collection, at least 0; it is a function of
            (seed, index, shape) alone.
        shape: Samples of a line, and lines, each at least 16.

    Raises:
        InputError: If `shape` is too small.
    """
    if min(shape) < 16:
        raise InputError(f"shape = {shape}: an echo map needs 16x16 or more")
    rng = np.random.default_rng([seed, index])
    canvas = Canvas(rng, shape=shape, warp=rng.uniform(0.02, 0.08))
    straight = Canvas(rng, shape=shape, warp=0.0)
    level = np.full(shape, TISSUE_DB + rng.uniform(-4, 2), np.float32)
    # Layers bend by a wave of their own.
    wavy = Canvas(rng, shape=shape, warp=rng.uniform(0.02, 0.12)).y
    _add_layers(rng, wavy, level)
    for _ in range(rng.integers(0, 4)):  # solid masses, brighter or darker
        change = rng.choice([-9, -6, 6, 9]) + rng.uniform(-3, 3)
        canvas.paint(level, random_ellipse(rng, 0.08, 0.35), TISSUE_DB + change, edge=2)
    for _ in range(rng.integers(0, 4)):  # fluid, and what it lets through
        cyst = random_ellipse(rng, 0.05, 0.2)
        level += beam_below(straight, cyst, rng.uniform(1, 4))
        straight.paint(level, cyst, _FLUID_DB, edge=1.5)
    for _ in range(rng.integers(0, 3)):  # calcifications and gas: bright, shadowing
        stone = random_ellipse(rng, 0.01, 0.06)
        level += beam_below(straight, stone, rng.uniform(-25, -6))
        straight.paint(level, stone, rng.uniform(-8, 0))
    inside, outside = _add_organ(rng, straight, level)
    return EchoMap(np.minimum(level, np.float32(CEILING_DB)), inside, outside)


def _add_layers(rng: np.random.Generator, depth: np.ndarray, level: np.ndarray) -> None:
    """Skin, fat and muscle from the top, and thin bright fasciae between them."""
    pixel = 2 / depth.shape[0]
    top = -1 + rng.uniform(0.01, 0.1)
    for _ in range(rng.integers(2, 6)):
        inside = np.clip((depth - top) / pixel + 0.5, 0, 1)
        level += inside * np.float32(rng.uniform(-5, 5))
        line = np.exp(-np.square((depth - top) / np.float32(0.8 * pixel)))
        level += line * np.float32(rng.uniform(0, 16))
        top += rng.uniform(0.06, 0.4)


def _add_organ(
    rng: np.random.Generator, canvas: Canvas, level: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Paints the organ and its cyst, over all else, and returns their boxes."""
    wide, high = rng.uniform(0.36, 0.5), rng.uniform(0.25, 0.4)
    x, y = rng.uniform(-0.4, 0.4), rng.uniform(-0.3, 0.4)
    canvas.paint(level, Ellipse(x, y, wide, high), TISSUE_DB + rng.uniform(-6, 3))
    side, radius = rng.choice([-1, 1]), rng.uniform(0.1, 0.16)
    cyst = Ellipse(x + side * wide / 2, y, radius, radius * rng.uniform(0.8, 1.0))
    canvas.paint(level, cyst, rng.choice([_FLUID_DB, TISSUE_DB - 12.0]), edge=1.5)
    return (
        _box(cyst.scaled(0.5), level.shape),
        _box(Ellipse(x - side * wide * 0.38, y, wide * 0.3, high * 0.45), level.shape),
    )


def _box(ellipse: Ellipse, shape: tuple[int, int]) -> np.ndarray:
    """Columns and rows of the smallest box around an ellipse that is not turned."""
    half = np.array([ellipse.a, ellipse.b])
    ends = np.array([ellipse.x, ellipse.y]) + np.outer([-1, 1], half)
    pixels = np.rint((ends + 1) / 2 * np.array(shape[::-1]) - 0.5)
    return np.clip(pixels, 0, np.array(shape[::-1]) - 1).reshape(1, 4)

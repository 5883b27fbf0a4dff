"""Views of a scanner that are one view of a turned or mirrored image.

A square image has eight symmetries: quarter turns, and each of them after a reflection.
View `a + 90` of an image is view `a` of the image turned back by 90 degrees; view `-a`
is view `a` of its mirror image, with the detectors in reverse. Views that differ by
such a move share the rays that are tabulated, and their images are columns of one
product.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Angles closer than this are one: 1e-7 pixel at the rim of a 2048 x 2048 image.
_SAME_ANGLE = 1e-10

# Products that nobody asked for, in units of the views, up to which sharing pays.
_MOST_WASTE = 1.5


@dataclasses.dataclass(frozen=True, order=True)
class Move:
    """A symmetry: a reflection of the columns (or none), then quarter turns."""

    mirrored: bool = False
    turns: int = 0

    def undone(self, planes: Float[Array, "size size *rest"]) -> Array:
        """The image whose moved version is given; its views are tabulated."""
        planes = jnp.rot90(planes, -self.turns)
        return jnp.flip(planes, 1) if self.mirrored else planes

    def done(self, planes: Float[Array, "size size *rest"]) -> Array:
        """The inverse (and transpose) of `undone`."""
        planes = jnp.flip(planes, 1) if self.mirrored else planes
        return jnp.rot90(planes, self.turns)


@dataclasses.dataclass(frozen=True)
class SharedViews:
    """Which tabulated view, of which moved image, each view is.

    Attributes:
        angles: The tabulated views, in radians.
        moves: Of which images they are needed.
        slots: For each view `move * len(angles) + view`.
    """

    angles: tuple[float, ...]
    moves: tuple[Move, ...]
    slots: tuple[int, ...]


def shared_views(angles: Sequence[float], *, mirrors: bool) -> SharedViews:
    """Finds the fewest views to tabulate, unless that makes for more products.

    Views in steps that do not divide a quarter turn may still have half turns and
    reflections in common, and such that begin anywhere have turns alone.

    Args:
        angles: All views, in radians.
        mirrors: Whether the detectors are symmetric, so that reflections count.
    """
    best = SharedViews(tuple(angles), (Move(),), tuple(range(len(angles))))
    for quarters, reflected in itertools.product((1, 2, 4), {mirrors, False}):
        found = _shared_by(angles, quarters, mirrors=reflected)
        products = len(found.angles) * len(found.moves)
        if products > _MOST_WASTE * len(angles):
            continue
        if len(found.angles) < len(best.angles):
            best = found
    return best


def _shared_by(angles: Sequence[float], quarters: int, *, mirrors: bool) -> SharedViews:
    """What turns by so many quarters have in common, and reflections."""
    turn = quarters * math.pi / 2
    found = []
    for angle in angles:
        turns = round(angle / turn) if mirrors else math.floor(angle / turn)
        rest = angle - turns * turn
        if abs(rest - turn) < _SAME_ANGLE:
            turns, rest = turns + 1, 0.0
        mirrored = mirrors and rest < -_SAME_ANGLE
        move = Move(mirrored, turns * quarters % 4)
        found.append((round(abs(rest) / _SAME_ANGLE), move))
    keys = sorted({key for key, _ in found})
    moves = tuple(sorted({move for _, move in found}))
    place = dict(zip(itertools.product(moves, keys), itertools.count(), strict=False))
    slots = tuple(place[move, key] for key, move in found)
    return SharedViews(tuple(key * _SAME_ANGLE for key in keys), moves, slots)


def from_slots(
    views: Float[Array, "moves angles detectors planes"], shared: SharedViews
) -> Float[Array, "planes views detectors"]:
    """Puts the products of moved images into the order of the views."""
    views = _facing(views, shared)
    flat = views.reshape(-1, *views.shape[2:])
    return jnp.take(flat, np.asarray(shared.slots), axis=0).transpose(2, 0, 1)


def to_slots(
    views: Float[Array, "planes views detectors"], shared: SharedViews
) -> Float[Array, "moves angles detectors planes"]:
    """Transpose of `from_slots`."""
    counts = len(shared.moves), len(shared.angles)
    views = views.transpose(1, 2, 0)
    flat = jnp.zeros((math.prod(counts), *views.shape[1:]), views.dtype)
    flat = flat.at[np.asarray(shared.slots)].add(views)
    return _facing(flat.reshape(*counts, *views.shape[1:]), shared)


def _facing(
    views: Float[Array, "moves angles detectors planes"], shared: SharedViews
) -> Float[Array, "moves angles detectors planes"]:
    """Detectors of reflected images in reverse; its own inverse."""
    return jnp.stack(
        [
            jnp.flip(of_move, 1) if move.mirrored else of_move
            for move, of_move in zip(shared.moves, views, strict=True)
        ]
    )

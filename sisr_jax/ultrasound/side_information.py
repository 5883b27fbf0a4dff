"""What else is known of the lines between kept ones: their phase, and other frames.

Side information is measured along with the lines of a frame, and nothing that is shown
of the frame explains it. It comes as planes of the size of the frame, for a network to
look at.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from sisr_jax.operators import LinearOperator
from sisr_jax.ultrasound.between_lines import (
    GAP,
    between,
    cubic_matrix,
    line_matrix,
)
from sisr_jax.ultrasound.speckle import displayed


class SideInformation(NamedTuple):
    """Planes of the size of a frame, as channels.

    Attributes:
        levels: On the display of the frame: what the frame could be there.
        marks: Of another kind, in [-1, 1] or about: how much to make of them.
    """

    levels: Float[Array, "*batch depth line levels"]
    marks: Float[Array, "*batch depth line marks"]


def of_samples(
    samples: Complex[Array, "*batch depth kept"],
    operator: LinearOperator,
    *,
    window: tuple[float, float],
    levels: int,
) -> SideInformation:
    """What the complex samples (IQ) of kept lines say of those between.

    Linear and cubic interpolation before the envelope is taken, as shown; and by how
    much the phase differs between the kept lines to either side. The phase itself is
    that of a carrier, and means nothing: what is returned does not depend on it.

    Args:
        samples: Of the kept lines.
        operator: `LateralDecimation` or `KeptLines`: puts lines in their places.
        window: dB that are shown as 0 and 1; a magnitude of 1 is 0 dB.
        levels: Grey levels of the display.

    Returns:
        Two levels: linear, cubic. Two marks: cosine and sine of the difference; of kept
        lines and beyond the outer ones 1 and 0.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> from sisr_jax.ultrasound.side_information import of_samples
        >>> samples = jnp.array([[[1.0, 1.0j]]])  # a quarter of a turn apart
        >>> found = of_samples(
        ...     samples, LateralDecimation(2), window=(-60.0, 0.0), levels=256
        ... )
        >>> found.marks[0, 0, 1].tolist()
        [0.0, -1.0]
        >>> round(60 * float(found.levels[0, 0, 1, 0]) - 60)  # the mean of both, in dB
        -3
    """
    parts = jnp.stack([samples.real, samples.imag])
    places = between(_kept(parts[0], operator))
    placed = operator.transpose(parts)
    cubic, left, right = (
        jax.lax.complex(*_multiplied(matrix, placed))
        for matrix in (
            cubic_matrix(places),
            line_matrix(places.left),
            line_matrix(places.right),
        )
    )
    index = jnp.arange(placed.shape[-1])
    gap = jnp.maximum(places.right - places.left, 1)
    share = jnp.clip((index - places.left) / gap, 0, 1)[..., None, :]
    low, high = window
    shown = (
        displayed(each, reference_db=high, dynamic_range_db=high - low, levels=levels)
        for each in (left + share * (right - left), cubic)
    )
    turn = left * right.conj()
    size = jnp.abs(turn)
    turn = jnp.where(size > 0, turn / jnp.where(size > 0, size, 1), 0)
    return SideInformation(
        jnp.stack([*shown], -1), jnp.stack([turn.real, turn.imag], -1)
    )


def of_frames(
    frames: Sequence[Float[Array, "*batch depth _"]],
    operators: Sequence[LinearOperator],
) -> SideInformation:
    """What frames before and after say of a frame: the same tissue, a little elsewhere.

    Args:
        frames: Kept lines of each of these frames, as shown.
        operators: What kept them: `LateralDecimation` or `KeptLines`.

    Returns:
        Of each frame a level, its cubic interpolation, which is what was measured where
        it was; and a mark, how far away the nearest measured line is, in `GAP` lines.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> from sisr_jax.ultrasound.side_information import of_frames
        >>> before = jnp.array([[[0.25, 0.75]]])
        >>> found = of_frames([before], [LateralDecimation(4, 1)])
        >>> found.levels[0, 0, 1::4, 0].tolist()
        [0.25, 0.75]
        >>> (16 * found.marks[0, 0, :, 0]).tolist()
        [1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0]
    """
    levels, marks = [], []
    for lines, operator in zip(frames, operators, strict=True):
        places = between(_kept(lines, operator))
        (level,) = _multiplied(cubic_matrix(places), operator.transpose(lines)[None])
        index = jnp.arange(level.shape[-1])
        ends = jnp.abs(index - places.left), jnp.abs(index - places.right)
        away = jnp.minimum(*ends)[..., None, :] / GAP
        levels.append(level)
        marks.append(jnp.broadcast_to(away, level.shape))
    return SideInformation(jnp.stack(levels, -1), jnp.stack(marks, -1))


def _kept(
    lines: Float[Array, "*batch depth kept"], operator: LinearOperator
) -> Bool[Array, "*batch line"]:
    return operator.transpose(jnp.ones_like(lines[..., :1, :]))[..., 0, :] > 0


def _multiplied(
    matrix: Float[Array, "*batch line line"],
    planes: Float[Array, "planes *batch depth line"],
) -> Float[Array, "planes *batch depth line"]:
    return jnp.einsum(
        "...vw,p...hw->p...hv", matrix, planes, precision=jax.lax.Precision.HIGHEST
    )

"""Ultrasound in beam space with fewer lines, and the frames before and after."""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from sisr_jax.degradation.beams import (
    Beams,
    Moved,
    beam_decimation,
    check_levels,
    shown,
    simulated_samples,
)
from sisr_jax.degradation.degradation import Degradation, one_for_each, planes_of
from sisr_jax.geometries import whole_number
from sisr_jax.operators import LinearOperator
from sisr_jax.types import Image, Key, Keys, Measurement, Truth
from sisr_jax.ultrasound import LateralDecimation, Probe, ScanConversion
from sisr_jax.ultrasound.probes import Number
from sisr_jax.ultrasound.side_information import SideInformation, of_frames

# `simulated_samples` splits its key into five: this one is none of them.
_OTHER_FRAMES = 5


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("operator", "probes", "conversion"),
    meta_fields=("window", "weight", "frames", "interleave", "motion_mm"),
)
@dataclasses.dataclass(frozen=True, eq=False)
class _CineBeams(Beams):
    """Of the truth, channels are frames; the middle one is restored."""

    frames: int
    interleave: int
    motion_mm: float

    def truth(self, keys: Keys, images: Image) -> Truth:
        """Frames simulated from maps, `[batch, depth, line, frames]`."""
        levels = planes_of(images)
        check_levels(levels)

        def draw(key: Key, level: Float[Array, "depth line"]) -> Array:
            cine = simulated_cine(
                key,
                level,
                probes=self.probes,
                window=self.window,
                frames=self.frames,
                motion_mm=self.motion_mm,
            )
            return jnp.moveaxis(shown(cine, self.window), 0, -1)

        return jax.vmap(draw)(one_for_each(keys, len(levels)), levels)

    def target(self, truth: Truth) -> Image:
        """The frame in the middle."""
        middle = self.frames // 2
        return truth[..., middle : middle + 1]

    def side_information(self, truth: Truth) -> SideInformation:
        """See `of_frames`."""
        kept = [
            operator(truth[..., number])
            for number, operator in enumerate(self._operators(self.operator))
        ]
        return self.received(jnp.stack(kept, -3), self.operator)[1]

    def received(
        self, values: Array, operator: LinearOperator
    ) -> tuple[Measurement, Any]:
        """Of frames `[*batch, frames, depth, kept]`, whose first lines move.

        Of frame `n` after the middle one, of which `operator` says what was kept, that
        is `interleave * n` lines further on, modulo the factor.
        """
        values = jnp.asarray(values)
        is_float = jnp.issubdtype(values.dtype, jnp.floating)
        if not is_float or values.ndim < 3 or values.shape[-3] != self.frames:
            raise ValueError(
                f"measurement of shape {values.shape} and type {values.dtype}: expected"
                f" a cine, floats [..., {self.frames}, depth, line] of the frames"
            )
        middle, values = self.frames // 2, values.astype(jnp.float32)
        lines = [values[..., number, :, :] for number in range(self.frames)]
        operators = self._operators(operator)
        measured = Measurement(lines.pop(middle), operators.pop(middle))
        return measured, of_frames(lines, operators)

    def _operators(self, operator: LinearOperator) -> list[LateralDecimation]:
        if not isinstance(operator, LateralDecimation):
            raise ValueError(
                f"{type(operator).__name__} of a cine: expected LateralDecimation, "
                "what kept the lines of its middle frame"
            )
        steps = range(-(self.frames // 2), self.frames // 2 + 1)
        factor, offset = operator.factor, operator.offset
        return [
            LateralDecimation(factor, (offset + self.interleave * step) % factor)
            for step in steps
        ]


def cine_decimation(
    *,
    factor: int,
    offset: int = 0,
    frames: int,
    interleave: int = 0,
    motion_mm: float = 0.0,
    probes: tuple[Probe, ...],
    window: tuple[float, float] = (-60.0, 0.0),
    conversion: ScanConversion | None = None,
    picture_weight: float = 0.0,
) -> Degradation:
    """Ultrasound in beam space with every `factor`-th line of each of some frames.

    Images, estimates and what they are compared with are those of `beam_decimation`:
    the frame in the middle. The kept lines of the others are side information.

    Args:
        factor: Lines for each kept one; must divide their number.
        offset: First kept line of the middle frame, `0 <= offset < factor`.
        frames: How many, an odd number.
        interleave: Lines by which the first kept one moves from frame to frame.
        motion_mm: See `simulated_cine`.
        probes: What simulates the frames from maps of echo strength, at least one.
        window: dB that are 0 and 1.
        conversion: See `beam_decimation`.
        picture_weight: Likewise.

    Raises:
        TypeError: If `frames` or `interleave` is no whole number.
        ValueError: As `beam_decimation`, without a probe, if no frame is the middle
            one, or if the motion is negative or not finite.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from sisr_jax.degradation import cine_decimation
        >>> from sisr_jax.ultrasound.arrays import ARRAYS
        >>> degrade = cine_decimation(factor=4, frames=3, probes=(ARRAYS["linear"],))
        >>> cine = degrade.truth(jax.random.key(0), jnp.full((1, 8, 16, 1), 0.5))
        >>> cine.shape, degrade.target(cine).shape
        ((1, 8, 16, 3), (1, 8, 16, 1))
        >>> degrade.side_information(cine).levels.shape
        (1, 8, 16, 2)
    """
    if not probes:
        raise ValueError("no probes: expected some, as a frame is no cine")
    frames = whole_number("frames", frames, "frames")
    interleave = whole_number("interleave", interleave, "lines")
    if frames < 3 or frames % 2 == 0:
        raise ValueError(f"frames = {frames}: expected 3, 5, 7 ...")
    if not 0 <= motion_mm < math.inf:
        raise ValueError(f"motion_mm = {motion_mm}: expected 0 or more, finite")
    plain = beam_decimation(
        factor=factor,
        offset=offset,
        probes=probes,
        window=window,
        conversion=conversion,
        picture_weight=picture_weight,
    )
    return _CineBeams(
        **vars(plain), frames=frames, interleave=interleave, motion_mm=motion_mm
    )


def simulated_cine(
    key: Key,
    level: Float[Array, "depth line"],
    *,
    probes: tuple[Probe, ...],
    window: tuple[float, float],
    frames: int,
    motion_mm: Number,
) -> Complex[Array, "{frames} depth line"]:
    """IQ of some frames in a row, between which tissue moves as a whole.

    The middle one is that of `simulated_samples`, with all its bits. All of the tissue
    moves, at a speed that the key draws: no frame has other scatterers, and nothing
    turns or is deformed. Electronic noise is new in each.

    Args:
        key: Randomness.
        level: See `simulated_samples`.
        probes: Likewise.
        window: Likewise.
        frames: How many, an odd number.
        motion_mm: From frame to frame, standard deviation along the lines and across
            them (at the face).

    Raises:
        ValueError: As `simulated_samples`.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from sisr_jax.degradation.cine_beams import simulated_cine
        >>> from sisr_jax.ultrasound.arrays import ARRAYS
        >>> cine = simulated_cine(
        ...     jax.random.key(0),
        ...     jnp.full((8, 16), 0.5),
        ...     probes=(ARRAYS["linear"],),
        ...     window=(-60.0, 0.0),
        ...     frames=3,
        ...     motion_mm=0.1,
        ... )
        >>> cine.shape
        (3, 8, 16)
    """
    speed_key, noise_key = jax.random.split(jax.random.fold_in(key, _OTHER_FRAMES))
    speed = motion_mm * jax.random.normal(speed_key, (2,))
    middle, found = frames // 2, []
    for number in range(frames):
        moved = None
        if number != middle:
            noise = jax.random.fold_in(noise_key, number)
            moved = Moved((number - middle) * speed, noise)
        found.append(
            simulated_samples(key, level, probes=probes, window=window, moved=moved)
        )
    return jnp.stack(found)

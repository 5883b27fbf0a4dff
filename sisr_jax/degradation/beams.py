"""Ultrasound in beam space: simulated or recorded frames, with fewer lines."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Complex, Float

from sisr_jax.degradation.degradation import Degradation, one_for_each, planes_of
from sisr_jax.types import DegradedImage, Image, Key, Keys, Measurement, Picture
from sisr_jax.ultrasound import LateralDecimation, Probe, ScanConversion
from sisr_jax.ultrasound.arrays import varied
from sisr_jax.ultrasound.probes import beam
from sisr_jax.ultrasound.speckle import (
    displayed,
    echoes,
    interfaces,
    residual_gain,
)

LEVELS = 256
# Fewest and most scatterers in a resolution cell at the focus; this share of the frames
# has so many that the speckle is fully developed.
_SCATTERERS, _DEVELOPED = (1.0, 30.0), 0.6


class Moved(NamedTuple):
    """What is another in a later or an earlier frame of the same tissue.

    Attributes:
        tissue_mm: How far it is from where it was, along the lines and across them.
        noise: Key of the electronic noise.
    """

    tissue_mm: Float[Array, " 2"]
    noise: Key


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("operator", "probes", "conversion"),
    meta_fields=("window", "weight"),
)
@dataclasses.dataclass(frozen=True, eq=False)
class Beams(Degradation):
    """Lines that are kept, of frames that may be simulated first."""

    operator: LateralDecimation
    probes: tuple[Probe, ...]
    conversion: ScanConversion | None
    window: tuple[float, float]
    weight: float

    @property
    def picture_weight(self) -> float:
        """Of the pixel loss of the sector."""
        return self.weight

    def truth(self, keys: Keys, images: Image) -> Image:
        """Frames of speckle, if images are maps of echo strength."""
        if not self.probes:
            return images
        levels = planes_of(images)
        check_levels(levels)
        keys = one_for_each(keys, len(levels))
        draw = functools.partial(
            simulated_frame, probes=self.probes, window=self.window
        )
        return jax.vmap(draw)(keys, levels)[..., None]

    @property
    def has_pictures(self) -> bool:
        """Whether the sector is known."""
        return self.conversion is not None

    def picture(self, images: Image) -> Picture:
        """The sector, if it is known."""
        if self.conversion is None:
            return images
        return self.conversion(planes_of(images))[..., None]

    def measure(self, keys: Keys, hr: Image) -> Measurement:
        """Lines `[batch, depth, lines // factor]`."""
        del keys
        return Measurement(self.operator(planes_of(self.target(hr))), self.operator)

    def estimate(self, measurement: Measurement) -> DegradedImage:
        """The lines as an image, `[batch, depth, lines // factor, 1]`."""
        return measurement.values[..., None]


def beam_decimation(
    *,
    factor: int,
    offset: int = 0,
    probes: tuple[Probe, ...] = (),
    window: tuple[float, float] = (-60.0, 0.0),
    conversion: ScanConversion | None = None,
    picture_weight: float = 0.0,
) -> Degradation:
    """Ultrasound in beam space with every `factor`-th line.

    Args:
        factor: Lines for each kept one; must divide their number.
        offset: First kept line, `0 <= offset < factor`.
        probes: What simulates frames from maps of echo strength, see
            `simulated_frame`; none: images are frames.
        window: dB that are 0 and 1 in simulated frames.
        conversion: Draws frames as the sector that they are looked at in.
        picture_weight: Weight of the pixel loss of these pictures.

    Returns:
        A function `(key, hr[batch, depth, line, 1])` to
        `[batch, depth, line // factor, 1]`.

    Raises:
        ValueError: If the window does not rise, or the factor or the offset is out of
            range.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from sisr_jax.degradation import beam_decimation
        >>> degrade = beam_decimation(factor=4)
        >>> degrade(jax.random.key(0), jnp.ones((1, 8, 16, 1))).shape
        (1, 8, 4, 1)
    """
    low, high = window
    if not low < high:
        raise ValueError(f"window = {window}: expected dB that rise")
    probes = jax.tree.map(np.float32, probes)  # of a type and a shape, as all leaves
    return Beams(
        LateralDecimation(factor, offset), probes, conversion, window, picture_weight
    )


def simulated_frame(
    key: Key,
    level: Float[Array, "depth line"],
    *,
    probes: tuple[Probe, ...],
    window: tuple[float, float],
) -> Float[Array, "depth line"]:
    """A B-mode frame of speckle in beam space, drawn from a map of echo strength.

    The log-compressed envelope of `simulated_samples`, in 256 levels.

    Args:
        key: Randomness.
        level: See `simulated_samples`.
        probes: Likewise.
        window: Likewise.

    Returns:
        Levels in [0, 1] of the window.

    Raises:
        ValueError: As `simulated_samples`.
    """
    samples = simulated_samples(key, level, probes=probes, window=window)
    return shown(samples, window)


def shown(
    samples: Complex[Array, "*batch depth line"], window: tuple[float, float]
) -> Float[Array, "*batch depth line"]:
    """Samples on the display of `simulated_frame`."""
    low, high = window
    return displayed(
        samples, reference_db=high, dynamic_range_db=high - low, levels=LEVELS
    )


def simulated_samples(
    key: Key,
    level: Float[Array, "depth line"],
    *,
    probes: tuple[Probe, ...],
    window: tuple[float, float],
    moved: Moved | None = None,
) -> Complex[Array, "depth line"]:
    """IQ of a frame in beam space, drawn from a map of echo strength.

    One of the probes, varied; scatterers from few to many; interfaces that reflect;
    gain that is not quite compensated; electronic noise that grows with the depth, as
    the gain does. All of it is drawn by the key.

    Args:
        key: Randomness.
        level: Mean level in [0, 1] of the window; 0 is fluid, which gives no echo. NaN
            of a traced map makes the frame NaN.
        probes: What to choose from.
        window: dB below the ceiling of the display that are 0 and 1.
        moved: What has become of the frame since the key drew it, if this is another.

    Returns:
        Complex amplitudes, 1 at a level of 0 dB.

    Raises:
        ValueError: If a level is not finite, unless it is traced.
    """
    check_levels(level)
    keys = jax.random.split(key, 5)
    height, width = level.shape
    probe, deepest = drawn_probe(keys[0], probes, height)
    low, high = window
    # Not where it is above 0: NaN of a traced map would be fluid.
    diffuse = jnp.where(level <= 0, 0.0, 10 ** ((low + level * (high - low)) / 20))
    strength, noise_db, slope_db, crowd, few = jax.random.uniform(keys[1], (5,))
    cell = 2 * jnp.pi * beam(probe, probe.focus_mm[None]).width[0] * probe.pulse_mm
    fewest, most = _SCATTERERS
    few_per_mm2 = fewest * (most / fewest) ** few / cell
    samples = echoes(
        keys[2],
        diffuse,
        (0.3 + 2.0 * strength) * interfaces(diffuse),
        probe=probe,
        scatterers_per_mm2=jnp.where(crowd < _DEVELOPED, jnp.inf, few_per_mm2),
        displacement_mm=None if moved is None else moved.tissue_mm,
    )
    gain_db = residual_gain(keys[3], height, spread_db=1.5)[:, None]
    depth = (probe.depths(height) / deepest)[:, None]
    floor_db = low - 10.0 + 15.0 * noise_db + 10.0 * slope_db * depth
    noise_key = keys[4] if moved is None else moved.noise
    noise = jax.random.normal(noise_key, (2, height, width)) * jnp.sqrt(0.5)
    return samples * 10 ** (gain_db / 20) + jax.lax.complex(*noise) * 10 ** (
        floor_db / 20
    )


def drawn_probe(
    key: Key, probes: tuple[Probe, ...], num_samples: int
) -> tuple[Probe, Array]:
    """One of the probes, varied, and how deep it sees in mm."""
    which, how = jax.random.split(key)
    chosen = jax.random.randint(which, (), 0, len(probes))
    probe = jax.tree.map(lambda *values: jnp.stack(values)[chosen], *probes)
    deepest = probe.sample_mm * num_samples
    return varied(how, probe, deepest_mm=deepest), deepest


def check_levels(level: Float[Array, "*batch depth line"]) -> None:
    """Refuses echo strength that is no number, unless it is traced.

    Raises:
        ValueError: With how many are not finite.
    """
    if isinstance(level, Tracer):
        return
    bad = np.size(level) - int(np.count_nonzero(np.isfinite(level)))
    if bad:
        raise ValueError(
            f"{bad} of {np.size(level)} levels of echo strength are NaN or infinite, "
            "expected levels in [0, 1]"
        )

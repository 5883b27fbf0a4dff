"""Ultrasound in beam space whose complex samples (IQ) are kept, with fewer lines."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Shaped

from sisr_jax.degradation.beams import (
    LEVELS,
    Beams,
    beam_decimation,
    check_levels,
    shown,
    simulated_samples,
)
from sisr_jax.degradation.degradation import Degradation, one_for_each, planes_of
from sisr_jax.operators import LinearOperator
from sisr_jax.types import Image, Keys, Measurement, Truth
from sisr_jax.ultrasound import Probe, ScanConversion
from sisr_jax.ultrasound.side_information import SideInformation, of_samples


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("operator", "probes", "conversion"),
    meta_fields=("window", "weight"),
)
@dataclasses.dataclass(frozen=True, eq=False)
class _IQBeams(Beams):
    """Of the truth, channels are the real and the imaginary part."""

    def truth(self, keys: Keys, images: Image) -> Truth:
        """IQ simulated from maps of echo strength, `[batch, depth, line, 2]`."""
        levels = planes_of(images)
        check_levels(levels)
        draw = functools.partial(
            simulated_samples, probes=self.probes, window=self.window
        )
        return _as_channels(jax.vmap(draw)(one_for_each(keys, len(levels)), levels))

    def target(self, truth: Truth) -> Image:
        """The log-compressed envelope."""
        return shown(as_samples(truth), self.window)[..., None]

    def side_information(self, truth: Truth) -> SideInformation:
        """See `of_samples`."""
        kept = self.operator(jnp.moveaxis(truth, -1, 0))
        return self.received(jnp.moveaxis(kept, 0, -1), self.operator)[1]

    def received(
        self, values: Array, operator: LinearOperator
    ) -> tuple[Measurement, Any]:
        """Of IQ: what is shown of it, and what it says of the lines between."""
        samples = as_samples(values)
        side = of_samples(samples, operator, window=self.window, levels=LEVELS)
        return Measurement(shown(samples, self.window), operator), side


def iq_decimation(
    *,
    factor: int,
    offset: int = 0,
    probes: tuple[Probe, ...],
    window: tuple[float, float] = (-60.0, 0.0),
    conversion: ScanConversion | None = None,
    picture_weight: float = 0.0,
) -> Degradation:
    """Ultrasound in beam space with every `factor`-th line, of which the IQ is kept.

    Images, estimates and what they are compared with are those of `beam_decimation`,
    log-compressed envelopes; the complex samples of the kept lines are side
    information. A magnitude of 1 is 0 dB of the display.

    Args:
        factor: Lines for each kept one; must divide their number.
        offset: First kept line, `0 <= offset < factor`.
        probes: What simulates the frames from maps of echo strength, at least one.
        window: dB that are 0 and 1.
        conversion: See `beam_decimation`.
        picture_weight: Likewise.

    Raises:
        ValueError: As `beam_decimation`, or without a probe.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from sisr_jax.degradation import iq_decimation
        >>> from sisr_jax.ultrasound.arrays import ARRAYS
        >>> degrade = iq_decimation(factor=4, probes=(ARRAYS["linear"],))
        >>> samples = degrade.truth(jax.random.key(0), jnp.full((1, 8, 16, 1), 0.5))
        >>> samples.shape, degrade.target(samples).shape
        ((1, 8, 16, 2), (1, 8, 16, 1))
        >>> degrade.side_information(samples).levels.shape
        (1, 8, 16, 2)
    """
    if not probes:
        raise ValueError("no probes: expected some, as frames have no IQ")
    plain = beam_decimation(
        factor=factor,
        offset=offset,
        probes=probes,
        window=window,
        conversion=conversion,
        picture_weight=picture_weight,
    )
    return _IQBeams(**vars(plain))


def as_samples(
    values: Shaped[Array | np.ndarray, "..."],
) -> Complex[Array, "*batch depth kept"]:
    """Complex samples, from such or from two channels: real and imaginary part.

    Args:
        values: Complex `[*batch, depth, line]`, or floats `[*batch, depth, line, 2]`.

    Raises:
        ValueError: If they are neither.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.degradation.iq_beams import as_samples
        >>> as_samples(np.ones((1, 8, 4, 2), np.float32)).shape
        (1, 8, 4)
    """
    values = jnp.asarray(values)
    if jnp.iscomplexobj(values) and values.ndim >= 2:
        return values.astype(jnp.complex64)
    is_float = jnp.issubdtype(values.dtype, jnp.floating)
    if is_float and values.ndim >= 3 and values.shape[-1] == 2:
        return jax.lax.complex(*jnp.moveaxis(values.astype(jnp.float32), -1, 0))
    raise ValueError(
        f"measurement of shape {values.shape} and type {values.dtype}: expected IQ, "
        "complex [..., depth, line] or floats [..., depth, line, 2], real and "
        "imaginary part, of which a magnitude of 1 is 0 dB"
    )


def _as_channels(
    samples: Complex[Array, "*batch depth line"],
) -> Float[Array, "*batch depth line 2"]:
    return jnp.stack([samples.real, samples.imag], -1)

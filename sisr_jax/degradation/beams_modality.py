"""Beam space: how it is measured, estimated, compared, shown and labelled."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sisr_jax.config import BeamDecimation, Config
from sisr_jax.config.checks import check
from sisr_jax.degradation.beams import beam_decimation
from sisr_jax.degradation.cine_beams import cine_decimation
from sisr_jax.degradation.degradation import Degradation
from sisr_jax.degradation.iq_beams import iq_decimation
from sisr_jax.degradation.ultrasound_modality import ULTRASOUND
from sisr_jax.image.resize import Interpolation, aligned_columns
from sisr_jax.metrics.structural import SSIM_WINDOW
from sisr_jax.types import Image, Measurement
from sisr_jax.ultrasound import CartesianGrid, PolarGrid, ScanConversion
from sisr_jax.ultrasound.arrays import ARRAYS

_INTERPOLATIONS: dict[str, Interpolation] = {
    "Nearest": "nearest",
    "Linear": "linear",
    "Bicubic": "cubic",
    "Lanczos": "lanczos",
}
_ENVELOPE = "Linear (envelope)"
# Of a picture: more than any screen shows, and 20 bytes each to find its samples.
_MOST_PIXELS = 2**24


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class BeamBaselines:
    """Interpolations between kept lines, at their true places.

    Of what is shown; in decibels, also of the envelope, linearly: the mean of two
    amplitudes lies above that of their logarithms, and nearer to what is there.

    Attributes:
        window: Physical values that are 0 and 1, dB if none is above 0.
    """

    window: tuple[float, float]

    @property
    def names(self) -> tuple[str, ...]:
        """See `Baselines`."""
        return (*_INTERPOLATIONS, *([_ENVELOPE] if self._in_decibels else []))

    @property
    def primary(self) -> str:
        """See `Baselines`."""
        return self.names[-1] if self._in_decibels else "Linear"

    @property
    def _in_decibels(self) -> bool:
        return ULTRASOUND.unit(self.window) == "dB"

    def __call__(self, measurement: Measurement) -> dict[str, Image]:
        """See `Baselines`."""
        lines, operator = measurement.values[..., None], measurement.operator
        place = {"factor": operator.factor, "offset": operator.offset}
        images = {
            name: aligned_columns(lines, **place, interpolation=interpolation)
            for name, interpolation in _INTERPOLATIONS.items()
        }
        if self._in_decibels:
            low, high = self.window
            envelope = 10 ** ((low + lines * (high - low)) / 20)
            wide = aligned_columns(envelope, **place)
            images[_ENVELOPE] = (20 * jnp.log10(wide) - low) / (high - low)
        return images


def _polar(config: Config) -> PolarGrid:
    """Where the samples of a frame are."""
    section: BeamDecimation = config.degradation
    depth, lines = config.data.shape
    if section.arrays:
        (name,) = section.arrays
        return ARRAYS[name].sector((depth, lines))
    (first, last), angles = section.radii_mm, np.radians(section.angles_deg)
    return PolarGrid(
        np.linspace(first, last, depth), np.linspace(angles[0], angles[1], lines)
    )


def _degrade(config: Config) -> Degradation:
    section: BeamDecimation = config.degradation
    conversion = None
    if section.pixel_mm:
        polar = _polar(config)
        around = CartesianGrid.covering(polar, section.pixel_mm)
        height, width = around.shape
        check(
            min(around.shape) >= SSIM_WINDOW and height * width <= _MOST_PIXELS,
            "degradation.pixel_mm",
            section.pixel_mm,
            f"pictures of {SSIM_WINDOW} pixels or more along either side, and of "
            f"{_MOST_PIXELS:,} at most, not of {height} x {width}",
        )
        conversion = ScanConversion(polar, around)
    degrade = {"level": beam_decimation, "iq": iq_decimation}[section.signal]
    if section.cine.frames > 1:
        degrade = functools.partial(cine_decimation, **dataclasses.asdict(section.cine))
    return degrade(
        factor=section.factor,
        offset=section.offset,
        probes=tuple(ARRAYS[name] for name in section.arrays),
        window=config.data.window,
        conversion=conversion,
        picture_weight=section.picture_weight,
    )


def _facts(config: Config) -> dict[str, Any]:
    section: BeamDecimation = config.degradation
    geometry = (section.arrays, section.pixel_mm)
    if not section.arrays:
        geometry += (section.radii_mm, section.angles_deg)
    if section.signal == "iq":
        geometry += ("iq",)
    if section.cine.frames > 1:
        geometry += ("cine", *dataclasses.astuple(section.cine))
    return ULTRASOUND.facts(config) | {"geometry": geometry}


def _describe(protocol: Any) -> str:
    arrays, pixel, *more = protocol.geometry
    frames = f"simulated frames ({', '.join(arrays)})" if arrays else "frames"
    pictures = f", pictures of {pixel:g} mm pixels" if pixel else ""
    kept = " with its IQ" if "iq" in more else ""
    if "cine" in more:
        _, count, interleave, motion = more
        frames = (
            f"each of {count} {frames}, {interleave} on in each, {motion:g} mm apart"
        )
    return f"every {protocol.factor}th line{kept} of {frames}{pictures}"


def _target(config: Config) -> str:
    is_simulated = bool(config.degradation.arrays)
    return "simulated beams" if is_simulated else ULTRASOUND.target(config)


BEAMS = dataclasses.replace(
    ULTRASOUND,
    name="us-beams",
    degrade=_degrade,
    baselines=lambda config: BeamBaselines(config.data.window),
    facts=_facts,
    describe=_describe,
    target=_target,
    original=None,  # its columns were those of pictures
)

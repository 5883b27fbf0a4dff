"""Beam space: how it is measured, estimated, compared, shown and labelled."""

import dataclasses
from typing import Any

import jax
import numpy as np

from sisr_jax.config import BeamDecimation, Config
from sisr_jax.degradation.beams import beam_decimation
from sisr_jax.degradation.degradation import Degradation
from sisr_jax.degradation.ultrasound_modality import ULTRASOUND
from sisr_jax.image.resize import Interpolation, aligned_columns
from sisr_jax.types import Image, Measurement
from sisr_jax.ultrasound import CartesianGrid, PolarGrid, ScanConversion
from sisr_jax.ultrasound.arrays import ARRAYS

_INTERPOLATIONS: dict[str, Interpolation] = {
    "Nearest": "nearest",
    "Linear": "linear",
    "Bicubic": "cubic",
    "Lanczos": "lanczos",
}


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class BeamBaselines:
    """Interpolations between kept lines, at their true places."""

    names = tuple(_INTERPOLATIONS)
    primary = "Linear"

    def __call__(self, measurement: Measurement) -> dict[str, Image]:
        """See `Baselines`."""
        lines, operator = measurement.values[..., None], measurement.operator
        return {
            name: aligned_columns(
                lines,
                factor=operator.factor,
                offset=operator.offset,
                interpolation=interpolation,
            )
            for name, interpolation in _INTERPOLATIONS.items()
        }


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
        conversion = ScanConversion(polar, around)
    return beam_decimation(
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
    return ULTRASOUND.facts(config) | {"geometry": geometry}


def _describe(protocol: Any) -> str:
    arrays, pixel, *_ = protocol.geometry
    frames = f"simulated frames ({', '.join(arrays)})" if arrays else "frames"
    pictures = f", pictures of {pixel:g} mm pixels" if pixel else ""
    return f"every {protocol.factor}th line of {frames}{pictures}"


def _target(config: Config) -> str:
    is_simulated = bool(config.degradation.arrays)
    return "simulated beams" if is_simulated else ULTRASOUND.target(config)


BEAMS = dataclasses.replace(
    ULTRASOUND,
    name="us-beams",
    degrade=_degrade,
    baselines=lambda config: BeamBaselines(),
    facts=_facts,
    describe=_describe,
    target=_target,
    original=None,  # its columns were those of pictures
)

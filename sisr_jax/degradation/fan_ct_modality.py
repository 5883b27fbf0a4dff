"""Sparse-view CT with a fan beam: how it is measured, estimated, compared, labelled."""

import dataclasses
from typing import Any

import jax
import numpy as np

from sisr_jax.config import Config, SparseViewFanCT
from sisr_jax.degradation.ct_baselines import TotalVariation, chosen_total_variation
from sisr_jax.degradation.ct_modality import CT, dose_in_words
from sisr_jax.degradation.degradation import Degradation
from sisr_jax.degradation.dose import LowDose
from sisr_jax.degradation.fan_ct import sparse_view_fan_ct
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.tomography import FanBeam
from sisr_jax.types import Image, Measurement


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class FanCTBaselines:
    """Reconstructions from the measured views.

    Filtered back-projection with the ramp filter and with the Hann window, and total
    variation. Missing views are not interpolated: kept ones of a whole turn are twice
    as far apart as as many over 180 degrees.

    Attributes:
        settings: Of total variation, those of as many parallel views.
    """

    settings: TotalVariation

    @property
    def names(self) -> tuple[str, ...]:
        """See `Baselines`."""
        return "Sparse FBP", "Hann FBP", self.primary

    @property
    def primary(self) -> str:
        """See `Baselines`."""
        return self.settings.name

    def __call__(self, measurement: Measurement) -> dict[str, Image]:
        """See `Baselines`."""
        views, operator = measurement
        planes = {
            "Sparse FBP": operator.fbp(views),
            "Hann FBP": operator.fbp(views, filter_name="hann"),
            self.primary: total_variation(views, operator, **self.settings._asdict()),
        }
        return {name: plane[..., None] for name, plane in planes.items()}


def _kept(config: Config) -> FanBeam:
    """The rays of the views that are kept, of a whole turn."""
    section: SparseViewFanCT = config.degradation
    fan = FanBeam(
        size=config.data.shape[0],
        pixel_mm=section.pixel_mm,
        source_to_origin_mm=section.source_to_origin_mm,
        source_to_detector_mm=section.source_to_detector_mm,
        num_detectors=section.num_detectors,
        detector_pitch_mm=section.detector_pitch_mm,
        detector=section.detector,
        detector_offset_mm=section.detector_offset_mm,
        angles=np.arange(section.num_angles) * 2 * np.pi / section.num_angles,
    )
    return fan.every(section.factor)


def _degrade(config: Config) -> Degradation:
    section: SparseViewFanCT = config.degradation
    dose = None
    if section.dose.is_noisy:
        values = dataclasses.asdict(section.dose)
        dose = LowDose(**values, pixel_mm=1.0, window=config.data.window)
    return sparse_view_fan_ct(_kept(config), filter_name=section.filter_name, dose=dose)


def _baselines(config: Config) -> FanCTBaselines:
    kept = _kept(config)
    density = kept.num_angles / kept.size
    return FanCTBaselines(chosen_total_variation("matmul", density))


def _facts(config: Config) -> dict[str, Any]:
    section: SparseViewFanCT = config.degradation
    dose = section.dose
    return {
        "factor": section.factor,
        "offset": 0,
        "num_angles": section.num_angles,
        "projector": "ray table",
        "weights": "gaps",
        "filter_name": section.filter_name,
        "dose": (*dataclasses.astuple(dose), section.pixel_mm)
        if dose.is_noisy
        else None,
        "geometry": (
            section.source_to_origin_mm,
            section.source_to_detector_mm,
            section.detector,
            section.num_detectors,
            section.detector_pitch_mm,
            section.detector_offset_mm,
            section.pixel_mm,
        ),
    }


def _describe(protocol: Any) -> str:
    kept = -(-protocol.num_angles // protocol.factor)
    to_origin, to_detector, detector, count, pitch, offset, pixel = protocol.geometry
    return (
        f"{kept} of {protocol.num_angles} fan-beam views of a whole turn (source "
        f"{to_origin:g} mm from the centre and {to_detector:g} mm from the {detector} "
        f"detector, {count} x {pitch:g} mm, offset {offset:g} mm, {pixel:g} mm "
        f"pixels), {protocol.filter_name} FBP{dose_in_words(protocol)}"
    )


FAN_CT = dataclasses.replace(
    CT,
    name="fan-ct",
    degrade=_degrade,
    baselines=_baselines,
    facts=_facts,
    describe=_describe,
    original=None,  # its beams were parallel
)

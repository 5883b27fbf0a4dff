"""Sparse-view CT: how it is measured, estimated, compared, shown and labelled."""

import dataclasses
from typing import Any

from sisr_jax.config import Config
from sisr_jax.config import SparseViewCT as Section
from sisr_jax.degradation.ct import random_view_ct, sparse_view_ct
from sisr_jax.degradation.ct_baselines import CTBaselines, chosen_total_variation
from sisr_jax.degradation.degradation import Degradation
from sisr_jax.degradation.dose import LowDose
from sisr_jax.degradation.modality import Modality, Original
from sisr_jax.image.intensity import own_range
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from sisr_jax.types import Image, Keys, Measurement

# The original cuts its slices to these HU before it scales them.
_ORIGINAL_WINDOW = (-1024.0, 200.0)


def _full_beam(config: Config) -> ParallelBeam:
    """All views, before any is left out."""
    return ParallelBeam(config.data.shape[0], config.degradation.num_angles)


def _degrade(config: Config) -> Degradation:
    section: Section = config.degradation
    beam = _full_beam(config).every(section.factor)
    dose = None
    if section.dose.is_noisy:
        values = dataclasses.asdict(section.dose)
        dose = LowDose(**values, window=config.data.window)
    options = {
        "filter_name": section.filter_name,
        "method": section.method,
        "dose": dose,
    }
    if section.draws_views:
        fewest, most = section.views
        return random_view_ct(beam, min_views=fewest, max_views=most, **options)
    return sparse_view_ct(beam, weights=section.weights, **options)


def _baselines(config: Config) -> CTBaselines:
    section, full = config.degradation, _full_beam(config)
    kept = full.every(section.factor)
    return CTBaselines(
        full=None
        if section.draws_views
        else ParallelBeamCT(full, method=section.method),
        factor=section.factor,
        iterative=None if section.method == "matmul" else ParallelBeamCT(kept),
        weights=section.weights,
        settings=chosen_total_variation(section.method, kept.num_angles / kept.size),
    )


def _facts(config: Config) -> dict[str, Any]:
    section: Section = config.degradation
    dose = section.dose
    return {
        "factor": section.factor,
        "offset": 0,
        "num_angles": section.num_angles,
        "projector": section.method,
        "weights": section.weights,
        "filter_name": section.filter_name,
        "views": section.views if section.draws_views else None,
        "dose": dataclasses.astuple(dose) if dose.is_noisy else None,
    }


def _describe(protocol: Any) -> str:
    kept = -(-protocol.num_angles // protocol.factor)
    drawn = "" if protocol.views is None else "{} to {} of ".format(*protocol.views)
    return (
        f"{drawn}{kept} of {protocol.num_angles} views ({protocol.projector}, "
        f"{protocol.weights} weights), {protocol.filter_name} FBP"
        f"{dose_in_words(protocol)}"
    )


def dose_in_words(protocol: Any) -> str:
    """The dose of a protocol, to follow upon its views; empty without noise."""
    if protocol.dose is None:
        return ""
    (fewest, most), electronic, pixel_mm = protocol.dose
    photons = f"{fewest:g}" if fewest == most else f"{fewest:g} to {most:g}"
    return (
        f", {photons} photons a ray, electronic noise {electronic:g}, "
        f"{pixel_mm:g} mm pixels"
    )


def _original_config(config: Config) -> Config:
    degradation = dataclasses.replace(
        config.degradation,
        filter_name="ramp",
        method="reference",
        weights="uniform",
        views=(0, 0),
        dose=dataclasses.replace(config.degradation.dose, photons=(0.0, 0.0)),
    )
    data = dataclasses.replace(config.data, window=_ORIGINAL_WINDOW)
    return dataclasses.replace(config, data=data, degradation=degradation)


def _original_observation(
    degradation: Degradation, baselines: CTBaselines, keys: Keys, hr: Image
) -> tuple[Image, Measurement]:
    """The target is the reconstruction from all views, of which some are kept."""
    del keys
    full, operator = baselines.full, degradation.operator
    assert full is not None, "the original draws no views"
    views = full(own_range(hr)[..., 0])
    target = own_range(full.fbp(views, weights=baselines.weights)[..., None])
    return target, Measurement(views[..., :: baselines.factor, :], operator)


CT = Modality(
    name="ct",
    dicom=frozenset({"CT"}),
    crops_first=False,  # a streak reaches across the whole slice
    degrade=_degrade,
    baselines=_baselines,
    facts=_facts,
    describe=_describe,
    target=lambda config: "slice",
    unit=lambda window: "HU",
    mask_above=lambda window: -500.0,
    # Radiology's: centre / width 40 / 400, -600 / 1500, 300 / 1500.
    windows=(
        ("soft", -160.0, 240.0),
        ("lung", -1350.0, 150.0),
        ("bone", -450.0, 1050.0),
    ),
    shown=("soft", "lung"),
    original=Original(
        config=_original_config,
        crop=None,
        target=lambda config: "full-view fbp",
        observe=_original_observation,
        finish=own_range,
    ),
)

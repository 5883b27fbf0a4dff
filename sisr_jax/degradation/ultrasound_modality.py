"""Lateral decimation: how it is measured, estimated, compared, shown and labelled."""

import dataclasses
from typing import Any

import jax

from sisr_jax.config import Config
from sisr_jax.degradation.degradation import Degradation
from sisr_jax.degradation.modality import Modality, Original
from sisr_jax.degradation.ultrasound import lateral_decimation
from sisr_jax.image.intensity import own_range
from sisr_jax.image.resize import aligned_columns, half_pixel_columns
from sisr_jax.types import Image, Keys, Measurement

# The original cuts or mirrors its frames to this size.
_ORIGINAL_SHAPE = (512, 512)

_FAN_ABOVE = 2  # levels of 255 of the window


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class UltrasoundBaselines:
    """Interpolations between kept columns.

    At their true places, linear and bicubic; and the half-pixel bicubic of published
    tables, which is shifted against the truth (see `half_pixel_columns`).
    """

    names = ("Bicubic (half-pixel)", "Linear (aligned)", "Bicubic (aligned)")
    primary = "Bicubic (aligned)"

    def __call__(self, measurement: Measurement) -> dict[str, Image]:
        """See `Baselines`."""
        columns, operator = measurement.values[..., None], measurement.operator
        factor, offset = operator.factor, operator.offset
        images = (
            half_pixel_columns(columns, factor=factor),
            aligned_columns(
                columns, factor=factor, offset=offset, interpolation="linear"
            ),
            aligned_columns(
                columns, factor=factor, offset=offset, interpolation="cubic"
            ),
        )
        return dict(zip(self.names, images, strict=True))


def _degrade(config: Config) -> Degradation:
    section = config.degradation
    return lateral_decimation(factor=section.factor, offset=section.offset)


def _facts(config: Config) -> dict[str, Any]:
    return {
        "factor": config.degradation.factor,
        "offset": config.degradation.offset,
        "num_angles": 0,
        "projector": "",
        "weights": "",
        "filter_name": "",
        "views": None,
        "dose": None,
    }


def _describe(protocol: Any) -> str:
    mirrored = ", smaller frames mirrored" if "mirrored" in protocol.crop else ""
    return f"every {protocol.factor}th column{mirrored}"


def _target(config: Config) -> str:
    return "frame" if config.data.target == "image" else config.data.target


def _mask_above(window: tuple[float, float]) -> float:
    low, high = window
    return low + _FAN_ABOVE * (high - low) / 255


def _original_config(config: Config) -> Config:
    data = dataclasses.replace(config.data, shape=_ORIGINAL_SHAPE, fit="crop")
    degradation = dataclasses.replace(config.degradation, offset=0)
    return dataclasses.replace(config, data=data, degradation=degradation)


def _original_observation(
    degradation: Degradation, baselines: UltrasoundBaselines, keys: Keys, hr: Image
) -> tuple[Image, Measurement]:
    """The frame by its own range, and the kept columns by theirs."""
    del baselines
    target = own_range(hr)
    seen = degradation.measure(keys, target)
    return target, seen._replace(values=own_range(seen.values[..., None])[..., 0])


ULTRASOUND = Modality(
    name="us",
    dicom=frozenset({"US", "IVUS"}),
    crops_first=True,  # columns do not mix
    degrade=_degrade,
    baselines=lambda config: UltrasoundBaselines(),
    facts=_facts,
    describe=_describe,
    target=_target,
    unit=lambda window: "dB" if window[1] <= 0 else "levels",
    mask_above=_mask_above,
    windows=(),
    shown=(),
    original=Original(
        config=_original_config,
        crop="central, mirrored",
        target=_target,
        observe=_original_observation,
        finish=lambda estimate: estimate,
    ),
)

"""Estimates without learning: what a network has to beat.

Each maps the high-resolution image through the degradation and back to full
size, so every method of a table starts from the same acquisition.
"""

from collections.abc import Callable

import jax.numpy as jnp

from sisr_jax.config import Config, LateralDecimation, SparseViewCT
from sisr_jax.degradation import lateral_decimation, sparse_beam, sparse_view_ct
from sisr_jax.image.resize import aligned_columns, half_pixel_columns
from sisr_jax.types import Image, Key

Baseline = Callable[[Key, Image], Image]

# The one that a figure shows, by `config.degradation.kind`.
PRIMARY_BASELINE = {
    "sparse_view_ct": "Hann FBP",
    "lateral_decimation": "Bicubic (aligned)",
}


def baselines(config: Config) -> dict[str, Baseline]:
    """The baselines of the configured degradation, by the name of their row.

    CT: filtered back-projection of the kept views with the ramp filter, which
    is exact but for the missing views, and with the Hann window, which trades
    streaks for blur. Ultrasound: interpolation between the kept columns at
    their true places, and the half-pixel bicubic of published tables, which is
    shifted against the truth (see `half_pixel_columns`).

    Args:
        config: CT: `data.shape` sets the geometry.

    Returns:
        Functions `(key, hr[batch, height, width, 1])` to the estimate, of the
        shape of `hr` and clipped to [0, 1].
    """
    if isinstance(config.degradation, SparseViewCT):
        return _reconstructions(config)
    return _interpolations(config.degradation)


def _reconstructions(config: Config) -> dict[str, Baseline]:
    beam = sparse_beam(config)

    def reconstruction(filter_name: str) -> Baseline:
        degrade = sparse_view_ct(beam, filter_name=filter_name)
        return lambda key, hr: jnp.clip(degrade(key, hr), 0.0, 1.0)

    return {
        "Sparse FBP": reconstruction("ramp"),
        "Hann FBP": reconstruction("hann"),
    }


def _interpolations(degradation: LateralDecimation) -> dict[str, Baseline]:
    factor, offset = degradation.factor, degradation.offset
    degrade = lateral_decimation(factor, offset)

    def interpolation(widen: Callable[[Image], Image]) -> Baseline:
        return lambda key, hr: jnp.clip(widen(degrade(key, hr)), 0.0, 1.0)

    return {
        "Bicubic (half-pixel)": interpolation(
            lambda image: half_pixel_columns(image, factor)
        ),
        "Linear (aligned)": interpolation(
            lambda image: aligned_columns(image, factor, offset, "linear")
        ),
        "Bicubic (aligned)": interpolation(
            lambda image: aligned_columns(image, factor, offset, "cubic")
        ),
    }

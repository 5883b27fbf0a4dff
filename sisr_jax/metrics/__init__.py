"""Image quality, one float32 number for each image of a batch.

Images are `[*batch, height, width, channels]` with up to four channels and the metrics
`[*batch]`, with the range of the data stated by the caller. An array of two axes, or
with a last axis longer than four, has no channels: `[*batch, height, width]`. Nothing
here knows about padding: the caller masks before it averages.

A mask is `[*batch, height, width, 1]` or without the last axis, True where pixels
count, the same for all channels; one mask serves a batch. Where no pixel counts the
result is NaN: a number would be mistaken for a measurement.

What a physicist measures of a scanner, noise power, transfer, bias and detectability,
takes planes without channels, `[*batch, regions, height, width]`, in physical units.
"""

from sisr_jax.metrics.detectability import (
    Detectability,
    hotelling_detectability,
    laguerre_gauss_channels,
)
from sisr_jax.metrics.frequency import (
    Curve,
    FrequencyResponse,
    half_frequency,
    mean_frequency,
    radial_mean,
)
from sisr_jax.metrics.lateral import lateral_spectrum, lateral_width
from sisr_jax.metrics.measurement import residual
from sisr_jax.metrics.named import METRICS, mae
from sisr_jax.metrics.noise_power import Bias, noise_power_spectrum, regional_bias
from sisr_jax.metrics.pixelwise import psnr, rmse
from sisr_jax.metrics.structural import ms_ssim, ssim
from sisr_jax.metrics.transfer import edge_response, spectral_transfer
from sisr_jax.metrics.ultrasound import gcnr, speckle_snr

__all__ = [
    "METRICS",
    "Bias",
    "Curve",
    "Detectability",
    "FrequencyResponse",
    "edge_response",
    "gcnr",
    "half_frequency",
    "hotelling_detectability",
    "laguerre_gauss_channels",
    "lateral_spectrum",
    "lateral_width",
    "mae",
    "mean_frequency",
    "ms_ssim",
    "noise_power_spectrum",
    "psnr",
    "radial_mean",
    "regional_bias",
    "residual",
    "rmse",
    "speckle_snr",
    "spectral_transfer",
    "ssim",
]

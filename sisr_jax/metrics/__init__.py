"""Image quality, one float32 number for each image of a batch.

Images are `[*batch, height, width, channels]` with up to four channels and the metrics
`[*batch]`, with the range of the data stated by the caller. An array of two axes, or
with a last axis longer than four, has no channels: `[*batch, height, width]`. Nothing
here knows about padding: the caller masks before it averages.

A mask is `[*batch, height, width, 1]` or without the last axis, True where pixels
count, the same for all channels; one mask serves a batch. Where no pixel counts the
result is NaN: a number would be mistaken for a measurement.
"""

from sisr_jax.metrics.measurement import residual
from sisr_jax.metrics.named import METRICS, mae
from sisr_jax.metrics.pixelwise import psnr, rmse
from sisr_jax.metrics.structural import ms_ssim, ssim
from sisr_jax.metrics.ultrasound import gcnr, speckle_snr

__all__ = [
    "METRICS",
    "gcnr",
    "mae",
    "ms_ssim",
    "psnr",
    "residual",
    "rmse",
    "speckle_snr",
    "ssim",
]

"""From trained weights and a measurement, or a degraded image, to an estimate."""

from sisr_jax.inference.loading import available, load
from sisr_jax.inference.restorer import Interval, Restored, Restorer
from sisr_jax.inference.super_resolution import (
    Weights,
    averaged_weights,
    super_resolve,
)

__all__ = [
    "Interval",
    "Restored",
    "Restorer",
    "Weights",
    "available",
    "averaged_weights",
    "load",
    "super_resolve",
]

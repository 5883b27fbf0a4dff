"""From trained weights and a measurement to an estimate."""

from sisr_jax.inference.super_resolution import (
    Weights,
    averaged_weights,
    super_resolve,
)

__all__ = ["Weights", "averaged_weights", "super_resolve"]

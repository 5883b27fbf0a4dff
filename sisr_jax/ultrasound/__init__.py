"""Ultrasound acquisition: beams, fewer of them, and the sector they are drawn in.

A plane is `[..., depth, line]`: rows are depth (axial), columns are scan lines
(lateral). The package needs only jax, numpy and jaxtyping.
"""

from sisr_jax.ultrasound.columns import decimate_columns
from sisr_jax.ultrasound.operators import KeptLines, LateralDecimation, ScanConversion
from sisr_jax.ultrasound.probes import Probe
from sisr_jax.ultrasound.scan_conversion import fan_mask, to_cartesian, to_polar
from sisr_jax.ultrasound.sector import CartesianGrid, PolarGrid

__all__ = [
    "CartesianGrid",
    "KeptLines",
    "LateralDecimation",
    "PolarGrid",
    "Probe",
    "ScanConversion",
    "decimate_columns",
    "fan_mask",
    "to_cartesian",
    "to_polar",
]

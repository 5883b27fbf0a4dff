"""Ultrasound acquisition: fewer scan lines across the lateral axis.

A plane is `[..., depth, line]`: rows are depth (axial), columns are scan lines
(lateral). The package needs only jax, numpy and jaxtyping.
"""

from sisr_jax.ultrasound.columns import decimate_columns

__all__ = ["decimate_columns"]

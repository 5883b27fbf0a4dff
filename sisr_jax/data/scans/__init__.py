"""Measured projections and where their rays are, as laboratories publish them."""

from sisr_jax.data.scans.exchange import Projections, read_exchange
from sisr_jax.data.scans.helsinki import FanScan, read_helsinki

__all__ = ["FanScan", "Projections", "read_exchange", "read_helsinki"]

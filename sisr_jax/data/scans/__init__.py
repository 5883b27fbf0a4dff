"""Measured projections and where their rays are, as laboratories publish them."""

from sisr_jax.data.scans.ct_pd import CtPdScan, read_ct_pd, read_slice, read_views
from sisr_jax.data.scans.exchange import Projections, read_exchange
from sisr_jax.data.scans.helsinki import read_helsinki

__all__ = [
    "CtPdScan",
    "Projections",
    "read_ct_pd",
    "read_exchange",
    "read_helsinki",
    "read_slice",
    "read_views",
]

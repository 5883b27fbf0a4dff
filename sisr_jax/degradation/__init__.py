"""Why the low resolution is low: the acquisition models, as pure functions.

A degradation maps `(key, hr[batch, height, width, 1])` to the degraded image
on the same intensity scale. The key is for noise
and random sampling; most draw nothing from it. Training pairs are made from it
inside the compiled step, so the high-resolution image is all that crosses to
the device and nothing is computed ahead on disk.
"""

from sisr_jax.degradation.acquisition import Degradation
from sisr_jax.degradation.ct import LowDose, random_view_ct, sparse_view_ct
from sisr_jax.degradation.ultrasound import lateral_decimation
from sisr_jax.train.pairs import (
    PairMaker,
    build,
    evaluation_pairs,
    sparse_beam,
    training_pairs,
)

__all__ = [
    "Degradation",
    "LowDose",
    "PairMaker",
    "build",
    "evaluation_pairs",
    "lateral_decimation",
    "random_view_ct",
    "sparse_beam",
    "sparse_view_ct",
    "training_pairs",
]

"""Images: where they come from, their fixed scale, and the order of batches."""

from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.data.phantoms.ultrasound import ultrasound_phantom
from sisr_jax.data.pipeline import Batches, evaluation_batches, training_batches
from sisr_jax.data.sources import Source, fingerprint, open_source, spread

__all__ = [
    "Batches",
    "Source",
    "ct_phantom",
    "evaluation_batches",
    "fingerprint",
    "open_source",
    "spread",
    "training_batches",
    "ultrasound_phantom",
]

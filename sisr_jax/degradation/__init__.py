"""Why the low resolution is low: measurement, noise and first estimate.

A degradation maps `(key, hr[batch, height, width, 1])` to the first estimate on the
same intensity scale, by way of what was measured. The key is for noise and random
sampling; most draw nothing from it. Training examples are made by it inside the
compiled step, so the high-resolution image is all that crosses to the device and
nothing is computed ahead on disk.
"""

from sisr_jax.config import Config
from sisr_jax.degradation.beams import beam_decimation
from sisr_jax.degradation.beams_modality import BEAMS
from sisr_jax.degradation.cine_beams import cine_decimation
from sisr_jax.degradation.ct import random_view_ct, sparse_view_ct
from sisr_jax.degradation.ct_modality import CT
from sisr_jax.degradation.degradation import Degradation
from sisr_jax.degradation.dose import LowDose
from sisr_jax.degradation.fan_ct import sparse_view_fan_ct
from sisr_jax.degradation.fan_ct_modality import FAN_CT
from sisr_jax.degradation.iq_beams import iq_decimation
from sisr_jax.degradation.modality import Baselines, Modality
from sisr_jax.degradation.ultrasound import lateral_decimation
from sisr_jax.degradation.ultrasound_modality import ULTRASOUND

# By `config.degradation.kind`.
MODALITIES: dict[str, Modality] = {
    "sparse_view_ct": CT,
    "sparse_view_fan_ct": FAN_CT,
    "lateral_decimation": ULTRASOUND,
    "beam_decimation": BEAMS,
}


def modality_of(config: Config) -> Modality:
    """The modality of a configuration.

    Examples:
        >>> from sisr_jax.config import files, parse
        >>> from sisr_jax.degradation import modality_of
        >>> modality_of(parse(files.load("us_srgan:quicktest").to_dict())).name
        'us'
    """
    return MODALITIES[config.degradation.kind]


def modality_named(name: str) -> Modality:
    """The modality of a short name, as in the name of a protocol.

    Examples:
        >>> from sisr_jax.degradation import modality_named
        >>> modality_named("us").unit((0.0, 255.0))
        'levels'
    """
    return {each.name: each for each in MODALITIES.values()}[name]


__all__ = [
    "MODALITIES",
    "Baselines",
    "Degradation",
    "LowDose",
    "Modality",
    "beam_decimation",
    "cine_decimation",
    "iq_decimation",
    "lateral_decimation",
    "modality_named",
    "modality_of",
    "random_view_ct",
    "sparse_view_ct",
    "sparse_view_fan_ct",
]

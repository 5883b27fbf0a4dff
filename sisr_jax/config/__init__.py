"""What a configuration may say.

The files in `configs/` hold values (`ml_collections.ConfigDict`); `parse` turns
them into the typed `Config` that the rest of the package reads. A missing key,
an unknown key, a wrong type or an impossible value raises `ConfigError` with
the dotted name, the value and what was expected, before anything is compiled.
There are no defaults here: a config file states every value.
"""

from sisr_jax.config.beams import BeamDecimation
from sisr_jax.config.checks import ConfigError
from sisr_jax.config.data import Augmentation, Data
from sisr_jax.config.degradations import DEGRADATIONS, LateralDecimation, SparseViewCT
from sisr_jax.config.fan_ct import SparseViewFanCT
from sisr_jax.config.history import upgraded
from sisr_jax.config.networks import (
    DISCRIMINATORS,
    GENERATORS,
    Cascade,
    Discriminator,
    Lateral,
    SRResNet,
    UNet,
    Unrolled,
    WideDiscriminator,
    WideSRResNet,
)
from sisr_jax.config.parsing import parse
from sisr_jax.config.scans import Dose, Exposure
from sisr_jax.config.sections import (
    Checkpoint,
    Config,
    Evaluation,
    Init,
    Log,
    Loss,
    Mesh,
    Optimizer,
    Optimizers,
    Phases,
    Safety,
)

__all__ = [
    "DEGRADATIONS",
    "DISCRIMINATORS",
    "GENERATORS",
    "Augmentation",
    "BeamDecimation",
    "Cascade",
    "Checkpoint",
    "Config",
    "ConfigError",
    "Data",
    "Discriminator",
    "Dose",
    "Evaluation",
    "Exposure",
    "Init",
    "Lateral",
    "LateralDecimation",
    "Log",
    "Loss",
    "Mesh",
    "Optimizer",
    "Optimizers",
    "Phases",
    "SRResNet",
    "Safety",
    "SparseViewCT",
    "SparseViewFanCT",
    "UNet",
    "Unrolled",
    "WideDiscriminator",
    "WideSRResNet",
    "parse",
    "upgraded",
]

"""What a configuration may say.

The files in `configs/` hold values (`ml_collections.ConfigDict`); `parse` turns
them into the typed `Config` that the rest of the package reads. A missing key,
an unknown key, a wrong type or an impossible value raises `ConfigError` with
the dotted name, the value and what was expected, before anything is compiled.
There are no defaults here: a config file states every value.
"""

from sisr_jax.config.images import (
    Augmentation,
    Data,
    LateralDecimation,
    SparseViewCT,
)
from sisr_jax.config.parsing import parse
from sisr_jax.config.rules import ConfigError
from sisr_jax.config.sections import (
    Checkpoint,
    Config,
    Discriminator,
    Evaluation,
    Generator,
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
    "Augmentation",
    "Checkpoint",
    "Config",
    "ConfigError",
    "Data",
    "Discriminator",
    "Evaluation",
    "Generator",
    "Init",
    "LateralDecimation",
    "Log",
    "Loss",
    "Mesh",
    "Optimizer",
    "Optimizers",
    "Phases",
    "Safety",
    "SparseViewCT",
    "parse",
]

"""Cascade for sparse views of a fan-beam scanner.

    python -m sisr_jax.main --config=configs/ct_fan_cascade.py --workdir=DIR \
        --config.data.source=folder --config.data.path=FOLDER

As `ct_cascade`, with the rays of a third-generation scanner in mm; any other fan is
`--config.degradation.source_to_origin_mm=...` and its like. Every other network learns
from it, too. Variants: `:demo` (minutes on two CPU cores), `:quicktest` (seconds).
"""

from configs import common


def get_config(variant: str = "") -> common.ConfigDict:
    """The configuration, or one of its variants."""
    config = common.fan_cascade()
    config.phases.generator = 50_000
    config.phases.discriminator = 1_000
    config.phases.adversarial = 20_000
    return common.with_variant(config, variant)

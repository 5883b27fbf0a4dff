"""Cascade for sparse-view CT: networks and data consistency in turns.

    python -m sisr_jax.main --config=configs/ct_cascade.py --workdir=DIR \
        --config.data.source=folder --config.data.path=FOLDER

It learns from whole slices, since it consults their measurement. The adversarial phase
moves only what the measured views leave open; `--config.phases.discriminator=0
--config.phases.adversarial=0` leaves it out. Variants: `:demo` (about three minutes on
two CPU cores), `:quicktest` (seconds).
"""

from configs import common


def get_config(variant: str = "") -> common.ConfigDict:
    """The configuration, or one of its variants."""
    config = common.cascade()
    config.phases.generator = 50_000
    config.phases.discriminator = 1_000
    config.phases.adversarial = 20_000
    return common.with_variant(config, variant)

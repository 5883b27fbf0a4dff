"""Cascade for sparse-view CT: networks and data consistency in turns.

    python -m sisr_jax.main --config=configs/ct_cascade.py --workdir=DIR \
        --config.data.source=folder --config.data.path=FOLDER

It learns from whole slices, since it consults their measurement. An adversarial phase
comes behind with

        --config.phases.discriminator=1000 --config.phases.adversarial=20000

and moves only what the measured views leave open. Variants: `:demo` (about four minutes
on two CPU cores), `:quicktest` (seconds).
"""

from configs import common


def get_config(variant: str = "") -> common.ConfigDict:
    """The configuration, or one of its variants."""
    config = common.cascade()
    config.phases.generator = 50_000
    return common.with_variant(config, variant)

"""SRResNet for laterally decimated ultrasound: the generator alone, pixel loss.

    python -m sisr_jax.main --config=configs/us_srresnet.py --workdir=DIR \
        --config.data.source=folder --config.data.path=FOLDER

Ledig et al. 2017, adapted: pixel shuffle along the width only. `factor` is any
power of two, for instance --config.degradation.factor=4.
Variants: `:demo` (about three minutes on two CPU cores), `:quicktest` (seconds).
"""

from configs import common


def get_config(variant: str = "") -> common.ConfigDict:
    """The configuration, or one of its variants."""
    config = common.ultrasound()
    config.phases.generator = 100_000
    return common.with_variant(config, variant)

"""The SRGAN discriminator for ultrasound, against a generator at rest.

    python -m sisr_jax.main --config=configs/us_discriminator.py --workdir=DIR \
        --config.init.generator=DIR_OF_A_US_SRRESNET_RUN \
        --config.data.source=folder --config.data.path=FOLDER

Variants: `:demo` (about three minutes on two CPU cores), `:quicktest` (seconds).
"""

from configs import common


def get_config(variant: str = "") -> common.ConfigDict:
    """The configuration, or one of its variants."""
    config = common.ultrasound()
    config.phases.discriminator = 5_000
    return common.with_variant(config, variant)

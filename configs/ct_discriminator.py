"""The SRGAN discriminator for sparse-view CT, against a generator at rest.

    python -m sisr_jax.main --config=configs/ct_discriminator.py --workdir=DIR \
        --config.init.generator=DIR_OF_A_CT_SRRESNET_RUN \
        --config.data.source=folder --config.data.path=FOLDER

Variants: `:demo` (about three minutes on two CPU cores), `:quicktest` (seconds).
"""

from configs import common


def get_config(variant: str = "") -> common.ConfigDict:
    """The configuration, or one of its variants."""
    config = common.ct()
    config.phases.discriminator = 5_000
    return common.with_variant(config, variant)

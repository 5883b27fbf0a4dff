"""SRGAN for laterally decimated ultrasound: generator, discriminator, then both.

    python -m sisr_jax.main --config=configs/us_srgan.py --workdir=DIR \
        --config.data.source=folder --config.data.path=FOLDER

With a trained generator at hand, leave its phase out:

        --config.init.generator=DIR_OF_A_US_SRRESNET_RUN --config.phases.generator=0

Variants: `:demo` (about three minutes on two CPU cores), `:quicktest` (seconds); `:tpu`
and `:tpu-fast`, wide networks that fill the matrix units of 8 chips.
"""

from configs import common


def get_config(variant: str = "") -> common.ConfigDict:
    """The configuration, or one of its variants."""
    config = common.ultrasound()
    config.phases.generator = 100_000
    config.phases.discriminator = 1_000
    config.phases.adversarial = 50_000
    return common.with_variant(config, variant)

"""SRResNet for sparse-view CT: the generator alone, pixel loss.

    python -m sisr_jax.main --config=configs/ct_srresnet.py --workdir=DIR \
        --config.data.source=folder --config.data.path=FOLDER

Ledig et al. 2017, adapted: space-to-depth head, output of the input's size.
Variants: `:demo` (about three minutes on two CPU cores), `:quicktest` (seconds).
"""

from configs import common


def get_config(variant: str = "") -> common.ConfigDict:
    """The configuration, or one of its variants."""
    config = common.ct()
    config.phases.generator = 100_000
    return common.with_variant(config, variant)

"""Networks, and the way from a configuration to them.

Every network is a Linen module called as `module.apply(variables, x, train=...)`
with images `[batch, height, width, 1]`; running averages of batch normalisation
are the mutable collection `batch_stats`.
"""

import flax.linen as nn

from sisr_jax.config import Config, SparseViewCT
from sisr_jax.models.discriminator import Discriminator
from sisr_jax.models.srresnet import SRResNetCT, SRResNetUltrasound


def build_generator(config: Config) -> nn.Module:
    """The SRResNet that undoes `config.degradation`."""
    values, degradation = config.generator, config.degradation
    if isinstance(degradation, SparseViewCT):
        return SRResNetCT(
            width=values.width,
            num_blocks=values.num_blocks,
            num_shuffles=values.num_shuffles,
            norm=values.norm,
            global_skip=values.global_skip,
            dtype=config.compute_dtype,
        )
    return SRResNetUltrasound(
        width=values.width,
        num_blocks=values.num_blocks,
        norm=values.norm,
        global_skip=values.global_skip,
        factor=degradation.factor,
        offset=degradation.offset,
        dtype=config.compute_dtype,
    )


def build_discriminator(config: Config) -> nn.Module:
    """The discriminator that judges images of any generator."""
    values = config.discriminator
    return Discriminator(
        width=values.width,
        norm=values.norm,
        head=values.head,
        dtype=config.compute_dtype,
    )


__all__ = [
    "Discriminator",
    "SRResNetCT",
    "SRResNetUltrasound",
    "build_discriminator",
    "build_generator",
]

"""Networks, and the way from a configuration to them.

A generator is a Linen module called as `module.apply(variables, estimate, measurement,
operator, train=...)`: the first estimate `[batch, height, width, 1]`, and what was
measured with the `operators.LinearOperator` that measured it, or None for both where
the images are crops. One that sees side information is called with that, too, where the
degradation has some (`Degradation.side_information`). It returns images
`[batch, height, width, 1]`, float32, unclipped.
The discriminator is called with images alone. Running averages of batch normalisation
are the mutable collection `batch_stats`.
"""

from collections.abc import Callable

import flax.linen as nn

from sisr_jax.config import Config
from sisr_jax.models import (
    cascade,
    discriminator,
    lateral,
    srresnet,
    unet,
    unrolled,
    wide,
)
from sisr_jax.models.cascade import Cascade
from sisr_jax.models.discriminator import Discriminator
from sisr_jax.models.lateral import LateralUNet
from sisr_jax.models.srresnet import SRResNetCT, SRResNetUltrasound
from sisr_jax.models.unet import UNet
from sisr_jax.models.unrolled import LearnedPrimalDual
from sisr_jax.models.wide import WideDiscriminator, WideSRResNet

# By `config.generator.kind`.
GENERATORS: dict[str, Callable[[Config], nn.Module]] = {
    "srresnet": srresnet.build,
    "wide_srresnet": wide.build,
    "unet": unet.build,
    "cascade": cascade.build,
    "unrolled": unrolled.build,
    "lateral": lateral.build,
}


# By `config.discriminator.kind`.
DISCRIMINATORS: dict[str, Callable[[Config], nn.Module]] = {
    "srgan": discriminator.build,
    "wide": wide.build_discriminator,
}


def build_generator(config: Config) -> nn.Module:
    """The generator of `config.generator`, for `config.degradation`.

    Examples:
        >>> from sisr_jax.config import files, parse
        >>> from sisr_jax.models import build_generator
        >>> config = parse(files.load("us_srgan:quicktest").to_dict())
        >>> generator = build_generator(config)
        >>> type(generator).__name__, generator.factor == config.degradation.factor
        ('SRResNetUltrasound', True)
    """
    return GENERATORS[config.generator.kind](config)


def build_discriminator(config: Config) -> nn.Module:
    """The discriminator of `config.discriminator`, for images of any generator.

    Examples:
        >>> from sisr_jax.config import files, parse
        >>> from sisr_jax.models import build_discriminator
        >>> config = parse(files.load("us_srgan:quicktest").to_dict())
        >>> discriminator = build_discriminator(config)
        >>> type(discriminator).__name__, discriminator.norm
        ('Discriminator', 'group')
    """
    return DISCRIMINATORS[config.discriminator.kind](config)


__all__ = [
    "DISCRIMINATORS",
    "GENERATORS",
    "Cascade",
    "Discriminator",
    "LateralUNet",
    "LearnedPrimalDual",
    "SRResNetCT",
    "SRResNetUltrasound",
    "UNet",
    "WideDiscriminator",
    "WideSRResNet",
    "build_discriminator",
    "build_generator",
]

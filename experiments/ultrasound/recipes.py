"""What is trained: the network for any factor, and its rivals for one.

The rivals see the kept lines and correct the same interpolation between them.
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax

from experiments.ultrasound.rivals import EDSR, SwinIR
from sisr_jax.models.lateral import LateralUNet
from sisr_jax.models.srresnet import SRResNetUltrasound
from sisr_jax.operators import LinearOperator

STEEPNESS = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
SLOPES = (*(-each for each in reversed(STEEPNESS)), *STEEPNESS)


class Recipe(NamedTuple):
    """A network and what it is for.

    Attributes:
        label: What tables call it.
        network: By factor, which is None where it is for any.
        anything: Whether it is trained for any factor.
    """

    label: str
    network: Callable[[int | None], nn.Module]
    anything: bool = False

    def restore(
        self,
        params: dict,
        measurement: jax.Array,
        operator: LinearOperator,
        factor: int | None,
    ) -> jax.Array:
        """`[batch, height, lines]` of measured lines to images, not clipped."""
        lines = measurement[..., None]
        if not self.anything:
            lines = lines[:, :, :: factor or 1]
        output = self.network(factor).apply(
            {"params": params}, lines, measurement, operator, train=True
        )
        return output[..., 0]


RECIPES = {
    "lateral": Recipe(
        "Lateral U-Net", lambda _: LateralUNet(slopes=SLOPES), anything=True
    ),
    "level": Recipe("Lateral U-Net, no slopes", lambda _: LateralUNet(), anything=True),
    "small": Recipe(
        "Lateral U-Net, 2/3 of the width",
        lambda _: LateralUNet((32, 64, 128)),
        anything=True,
    ),
    "srresnet": Recipe("SRResNet", lambda factor: SRResNetUltrasound(factor or 1)),
    "edsr": Recipe("EDSR-like", lambda factor: EDSR(factor or 1)),
    "swinir": Recipe("SwinIR-like", lambda factor: SwinIR(factor or 1)),
}

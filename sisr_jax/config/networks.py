"""The sections about networks: one for each kind of generator, and the discriminator.

A section has a `kind`, by which `GENERATORS` finds it, and says with `check` what it
asks of the images and of the degradation. `sisr_jax.models` holds what a kind means.
"""

import dataclasses
from typing import Annotated, Any, Literal

from sisr_jax.config.checks import check
from sisr_jax.config.data import Data
from sisr_jax.config.ranges import Range

_Channels = Annotated[int, Range(1, 2**12)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SRResNet:
    """The SRResNet adapted to the degradation.

    Attributes:
        kind: Which network.
        width: Channels of the trunk.
        num_blocks: Residual blocks.
        num_shuffles: Where image and first estimate have the same size: space-to-depth
            stages of the head, and as many pixel shuffles back; images must divide by
            `2**num_shuffles`. Else 0, the stages follow from the factor.
        norm: Normalisation behind the convolutions.
        global_skip: Add the first estimate, or its aligned interpolation, to the
            output.
    """

    kind: Literal["srresnet"]
    width: _Channels
    num_blocks: Annotated[int, Range(1, 1000)]
    num_shuffles: Annotated[int, Range(0, 16)]
    norm: Literal["batch", "group", "none"]
    global_skip: bool

    def check(self, data: Data, degradation: Any) -> None:
        """Raises ConfigError for values that do not go with images or degradation."""
        factor, shuffles = degradation.width_factor, self.num_shuffles
        check(
            factor & (factor - 1) == 0, "degradation.factor", factor, "a power of two"
        )
        check(
            factor == 1 or shuffles == 0,
            "generator.num_shuffles",
            shuffles,
            "0, as the factor sets the shuffles",
        )
        step = 2**shuffles
        for name in ("shape", "patch"):
            size = getattr(data, name)
            check(
                size[0] % step == 0 and size[1] % step == 0,
                f"data.{name}",
                size,
                f"multiples of 2**generator.num_shuffles = {step}",
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Discriminator:
    """The SRGAN discriminator.

    Attributes:
        width: Channels of the first convolution; later ones have up to eight times as
            many.
        norm: Normalisation behind the convolutions.
        head: `pooled`, for any size of image, or the original's `dense`, for one.
    """

    width: _Channels
    norm: Literal["batch", "group", "none"]
    head: Literal["pooled", "dense"]


GENERATORS: dict[str, Any] = {"srresnet": SRResNet}

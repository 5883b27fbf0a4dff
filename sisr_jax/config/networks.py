"""The sections about networks: one for each kind of generator, and the discriminator.

A section has a `kind`, by which `GENERATORS` finds it, and says with `check` what it
asks of the images and of the degradation. `sisr_jax.models` holds what a kind means.
"""

import dataclasses
from typing import Any, Literal

from sisr_jax.config.checks import check
from sisr_jax.config.data import Data


@dataclasses.dataclass(frozen=True, kw_only=True)
class SRResNet:
    """The SRResNet adapted to the degradation.

    Attributes:
        kind: The name of this network.
        width: Channels of the trunk.
        num_blocks: Residual blocks.
        num_shuffles: Where image and first estimate have the same size: space-to-depth
            stages of the head, and as many pixel shuffles back; images must divide by
            `2**num_shuffles`. Else 0, the stages follow from the factor.
        norm: `batch`, `group` or `none`.
        global_skip: Add the first estimate, or its aligned interpolation, to the
            output.
    """

    kind: Literal["srresnet"]
    width: int
    num_blocks: int
    num_shuffles: int
    norm: Literal["batch", "group", "none"]
    global_skip: bool

    def check(self, data: Data, degradation: Any) -> None:
        """Raises ConfigError for values that do not go with images or degradation."""
        check(self.width >= 1, "generator.width", self.width, "at least 1")
        check(
            self.num_blocks >= 1, "generator.num_blocks", self.num_blocks, "at least 1"
        )
        factor, shuffles = degradation.width_factor, self.num_shuffles
        check(
            factor & (factor - 1) == 0, "degradation.factor", factor, "a power of two"
        )
        check(
            0 <= shuffles <= 16 if factor == 1 else shuffles == 0,
            "generator.num_shuffles",
            shuffles,
            "0 to 16" if factor == 1 else "0, as the factor sets the shuffles",
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
    """The SRGAN discriminator; `dense` is the original's fixed-size head."""

    width: int
    norm: Literal["batch", "group", "none"]
    head: Literal["pooled", "dense"]


GENERATORS: dict[str, Any] = {"srresnet": SRResNet}

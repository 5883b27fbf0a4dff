"""The sections about networks: one for each kind of generator and of discriminator.

A section has a `kind`, by which `GENERATORS` or `DISCRIMINATORS` finds it, and says
with `check` what it asks of the images; a generator's also of the degradation, and with
`names` how tables call what was trained on pixels alone and what was trained against
the discriminator. `sees` are those of the network's arguments that it looks at; heights
and widths of training divide by `multiple`. The `reach` of one that looks at the
estimate alone says how far: with it, large images are restored in tiles.
`sisr_jax.models` holds what a kind means.
"""

import dataclasses
import itertools
from typing import Annotated, Any, ClassVar, Literal

from sisr_jax.config.checks import check
from sisr_jax.config.data import Data
from sisr_jax.config.ranges import Range

_Channels = Annotated[int, Range(1, 2**12)]
_Widths = tuple[_Channels, ...]
_Multiple = Annotated[float, Range(0, 1e6, above=True)]
_Sees = ClassVar[frozenset[str]]
_ESTIMATE, _MEASUREMENT = frozenset({"estimate"}), frozenset({"measurement"})
SIDE_INFORMATION = "side information"


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
    sees: _Sees = _ESTIMATE

    @property
    def multiple(self) -> int:
        """Heights and widths of training divide by it."""
        return 2**self.num_shuffles

    @property
    def names(self) -> tuple[str, str]:
        """How tables call it, without and with an adversarial phase."""
        return "SRResNet", "SRGAN"

    def reach(self, width_factor: int) -> int | None:
        """How far from a pixel, in pixels of the input, its result depends on them.

        The halves of all kernels, in pixels, and what blocks of `multiple` pixels add.
        None with the norm `group`, which takes means over the whole image.

        Args:
            width_factor: Columns of the result for each of the input.
        """
        if self.norm == "group":
            return None
        trunk = 2 * self.num_blocks + 1
        if width_factor > 1:
            # Along the rows; along the columns, of which the input has fewer, less.
            return 4 + trunk + (width_factor.bit_length() - 1) + 4
        shuffles = [2**k for k in range(1, self.num_shuffles + 1)]
        convolutions = 1 + sum(shuffles) + trunk * self.multiple + sum(shuffles) + 4
        return convolutions + self.multiple - 1

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
        _check_multiple(data, self.multiple, "2**generator.num_shuffles")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WideSRResNet:
    """An SRResNet of blocks of pixels, for matrix units.

    Attributes:
        kind: Which network.
        block: Side of the blocks of pixels that become channels; it divides images.
        width: Channels of the trunk.
        num_blocks: Residual blocks.
        norm: Normalisation behind the convolutions.
        global_skip: Add the first estimate, or its aligned interpolation, to the
            output.
    """

    kind: Literal["wide_srresnet"]
    block: Annotated[int, Range(1, 64)]
    width: _Channels
    num_blocks: Annotated[int, Range(1, 1000)]
    norm: Literal["batch", "group", "none"]
    global_skip: bool
    sees: _Sees = _ESTIMATE

    @property
    def multiple(self) -> int:
        """Heights and widths of training divide by it."""
        return self.block

    @property
    def names(self) -> tuple[str, str]:
        """How tables call it, without and with an adversarial phase."""
        return "Wide SRResNet", "Wide SRGAN"

    def reach(self, width_factor: int) -> int | None:
        """How far from a pixel its result depends on the input, see `SRResNet`.

        Args:
            width_factor: Columns of the result for each of the input, which has fewer
                then: as far as along the rows, or less.
        """
        del width_factor
        if self.norm == "group":
            return None
        return self.block * (2 * self.num_blocks + 3) + self.block - 1

    def check(self, data: Data, degradation: Any) -> None:
        """Raises ConfigError for values that do not go with images or degradation."""
        factor, block = degradation.width_factor, self.block
        check(block & (block - 1) == 0, "generator.block", block, "a power of two")
        check(
            factor & (factor - 1) == 0, "degradation.factor", factor, "a power of two"
        )
        _check_multiple(data, block, "generator.block")


@dataclasses.dataclass(frozen=True, kw_only=True)
class UNet:
    """A residual U-Net that works at half the resolution of its input.

    Attributes:
        kind: Which network.
        widths: Channels at 1/2, 1/4, 1/8 ... of the resolution; images must divide by
            2 to the number of them.
        num_blocks: Residual blocks of a level, on the way down and on the way up.
    """

    kind: Literal["unet"]
    widths: _Widths
    num_blocks: Annotated[int, Range(1, 1000)]
    sees: _Sees = _ESTIMATE

    @property
    def multiple(self) -> int:
        """Heights and widths of training divide by it."""
        return 2 ** len(self.widths)

    @property
    def names(self) -> tuple[str, str]:
        """How tables call it, without and with an adversarial phase."""
        return "U-Net", "U-Net GAN"

    def reach(self, width_factor: int) -> int:
        """Pixels that a result depends on, see `SRResNet.reach`."""
        del width_factor
        levels = [2**k for k in range(1, len(self.widths) + 1)]
        blocks = sum(levels[1:]) + levels[-1] + sum(levels[:-1])
        return 2 + 2 * self.num_blocks * blocks + 2 + self.multiple - 1

    def check(self, data: Data, degradation: Any) -> None:
        """Raises ConfigError for values that do not go with images or degradation."""
        _check_same_size(self.kind, degradation)
        _check_folds(data, self.widths)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cascade:
    """U-Nets with steps of data consistency between them, from total variation on.

    Attributes:
        kind: Which network.
        num_stages: Networks, each followed by consistency.
        shared: One set of weights for all stages, else one for each.
        num_steps: Steps of data consistency between stages.
        num_last_steps: The same after the last stage; 0 where the measurement is noise
            as well.
        widths: See `UNet`.
        num_blocks: See `UNet`.
        start_weights: Weights of the total variations to start from, as multiples of
            the one that is best without noise; they ascend.
    """

    kind: Literal["cascade"]
    num_stages: Annotated[int, Range(1, 100)]
    shared: bool
    num_steps: Annotated[int, Range(1, 1000)]
    num_last_steps: Annotated[int, Range(0, 1000)]
    widths: _Widths
    num_blocks: Annotated[int, Range(1, 1000)]
    start_weights: tuple[_Multiple, ...]
    sees: _Sees = _MEASUREMENT

    @property
    def multiple(self) -> int:
        """Heights and widths of training divide by it."""
        return 2 ** len(self.widths)

    @property
    def names(self) -> tuple[str, str]:
        """How tables call it, without and with an adversarial phase."""
        return "Cascade", "Cascade GAN"

    def check(self, data: Data, degradation: Any) -> None:
        """Raises ConfigError for values that do not go with images or degradation."""
        _check_same_size(self.kind, degradation)
        _check_whole(self.kind, data)
        _check_folds(data, self.widths)
        pairs = itertools.pairwise(self.start_weights)
        check(
            len(self.start_weights) > 0 and all(one < other for one, other in pairs),
            "generator.start_weights",
            self.start_weights,
            "at least one, ascending",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unrolled:
    """Learned primal-dual reconstruction from the first estimate.

    Attributes:
        kind: Which network.
        num_iterations: Pairs of networks, on the measurement and on the image.
        width: Channels of the networks.
        memory: Channels of image and dual variable that are handed on.
        num_steps: Steps of data consistency at the end.
    """

    kind: Literal["unrolled"]
    num_iterations: Annotated[int, Range(1, 100)]
    width: _Channels
    memory: Annotated[int, Range(1, 64)]
    num_steps: Annotated[int, Range(1, 1000)]
    sees: _Sees = _ESTIMATE | _MEASUREMENT

    @property
    def multiple(self) -> int:
        """Heights and widths of training divide by it."""
        return 1

    @property
    def names(self) -> tuple[str, str]:
        """How tables call it, without and with an adversarial phase."""
        return "Learned primal-dual", "Learned primal-dual GAN"

    def check(self, data: Data, degradation: Any) -> None:
        """Raises ConfigError for values that do not go with images or degradation."""
        _check_same_size(self.kind, degradation)
        _check_whole(self.kind, data)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lateral:
    """A residual U-Net that fills in missing scan lines, any of them.

    Attributes:
        kind: Which network.
        widths: Channels at 1/2, 1/4, 1/8 ... of the rows and 1/4, 1/8, 1/16 ... of the
            columns.
        num_blocks: Residual blocks of a level, on the way down and on the way up.
        slopes: Rows for each column, of the interpolations that it sees beside the
            level one; none: ().
    """

    kind: Literal["lateral"]
    widths: _Widths
    num_blocks: Annotated[int, Range(1, 1000)]
    slopes: tuple[Annotated[float, Range(-16, 16)], ...]
    sees: _Sees = _MEASUREMENT | {SIDE_INFORMATION}

    @property
    def multiple(self) -> int:
        """Heights and widths of training divide by it."""
        return 1

    @property
    def names(self) -> tuple[str, str]:
        """How tables call it, without and with an adversarial phase."""
        return "Lateral U-Net", "Lateral U-Net GAN"

    def check(self, data: Data, degradation: Any) -> None:
        """Raises ConfigError for values that do not go with images or degradation."""
        del data
        check(
            degradation.measures == "columns",
            "generator.kind",
            self.kind,
            "one for views: this one is for scan lines",
        )
        check(len(self.widths) > 0, "generator.widths", self.widths, "some levels")


def _check_same_size(kind: str, degradation: Any) -> None:
    check(
        degradation.width_factor == 1,
        "generator.kind",
        kind,
        "'srresnet', as first estimates of this degradation are narrower than images",
    )


def _check_whole(kind: str, data: Data) -> None:
    check(
        data.patch == data.shape,
        "data.patch",
        data.patch,
        f"data.shape = {data.shape}, as generator.kind = {kind!r} asks for the "
        "measurement, and a crop has none",
    )


def _check_folds(data: Data, widths: tuple[int, ...]) -> None:
    check(len(widths) > 0, "generator.widths", widths, "at least one level")
    _check_multiple(data, 2 ** len(widths), "2**len(generator.widths)")


def _check_multiple(data: Data, step: int, formula: str) -> None:
    for name in ("shape", "patch"):
        size = getattr(data, name)
        check(
            size[0] % step == 0 and size[1] % step == 0,
            f"data.{name}",
            size,
            f"multiples of {formula} = {step}",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Discriminator:
    """The SRGAN discriminator.

    Attributes:
        kind: Which network.
        width: Channels of the first convolution; later ones have up to eight times as
            many.
        norm: Normalisation behind the convolutions.
        head: `pooled`, for any size of image, or the original's `dense`, for one.
    """

    kind: Literal["srgan"]
    width: _Channels
    norm: Literal["batch", "group", "none"]
    head: Literal["pooled", "dense"]

    def check(self, data: Data) -> None:
        """Takes images of any size."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WideDiscriminator:
    """A discriminator of blocks of pixels, for matrix units.

    Attributes:
        kind: Which network.
        block: Side of the blocks that become channels; it divides images.
        widths: Channels of each convolution.
        strides: Step of each, 1 or 2.
        norm: Normalisation behind the convolutions.
    """

    kind: Literal["wide"]
    block: Annotated[int, Range(1, 64)]
    widths: _Widths
    strides: tuple[Annotated[int, Range(1, 2)], ...]
    norm: Literal["batch", "group", "none"]
    head: ClassVar[str] = "pooled"

    def check(self, data: Data) -> None:
        """Raises ConfigError for values that do not go together."""
        check(
            len(self.strides) == len(self.widths) > 0,
            "discriminator.strides",
            self.strides,
            f"one for each of discriminator.widths = {self.widths}",
        )
        _check_multiple(data, self.block, "discriminator.block")


DISCRIMINATORS: dict[str, Any] = {"srgan": Discriminator, "wide": WideDiscriminator}

GENERATORS: dict[str, Any] = {
    "srresnet": SRResNet,
    "wide_srresnet": WideSRResNet,
    "unet": UNet,
    "cascade": Cascade,
    "unrolled": Unrolled,
    "lateral": Lateral,
}

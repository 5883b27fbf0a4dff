"""All that is particular to one way of losing resolution, as one value.

The rest of the package asks the value and never for its name: a new modality is a new
value, and a line in `MODALITIES`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from sisr_jax.config import Config
from sisr_jax.degradation.degradation import Degradation
from sisr_jax.types import Image, Keys, Measurement


class Baselines(Protocol):
    """Estimates without learning: what a network has to beat.

    A pytree of the arrays that they take: pass it to `jit` as an argument.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the methods, in the order of tables."""
        ...

    @property
    def primary(self) -> str:
        """The strongest of them: figures show it, and p values refer to it."""
        ...

    def __call__(self, measurement: Measurement) -> dict[str, Image]:
        """Estimates `[batch, height, width, 1]` by name; nothing is clipped."""
        ...


class Original(NamedTuple):
    """The original project's way to measure and to compare, see `evaluation.protocol`.

    Attributes:
        config: A configuration as the original would read and degrade its images.
        crop: How images of other sizes get there, or None: as the configuration says.
        target: What its targets are.
        observe: Degradation, baselines, keys and images, to targets
            `[batch, height, width, 1]` and a measurement.
        finish: An estimate as it is scored and shown.
    """

    config: Callable[[Config], Config]
    crop: str | None
    target: Callable[[Config], str]
    observe: Callable[[Degradation, Any, Keys, Image], tuple[Image, Measurement]]
    finish: Callable[[Image], Image]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Modality:
    """How a modality is measured, estimated, compared, shown and labelled.

    Attributes:
        name: Short, as in the name of a protocol.
        dicom: Codes that DICOM has for devices that take such images.
        crops_first: Whether a crop of an image can be degraded by itself.
        degrade: The degradation of a configuration, for images of `data.shape`.
        baselines: Methods without learning for a configuration.
        facts: What a protocol says of a configuration's degradation: fields of
            `evaluation.protocol.Protocol`.
        describe: The same in words, from a protocol.
        target: What estimates are compared with.
        unit: Unit of physical values in a window.
        mask_above: Physical value above which the object is, in a window.
        windows: Display windows that are scored by themselves, `(name, low, high)`.
        shown: Names of the display windows through which pictures show close-ups; none:
            the window of the images.
        original: The original's protocol; None if it knew no such images.

    Examples:
        >>> from sisr_jax.degradation import modality_named
        >>> ct = modality_named("ct")
        >>> ct.name, ct.unit((-1000.0, 1000.0)), sorted(ct.dicom)
        ('ct', 'HU', ['CT'])
    """

    name: str
    dicom: frozenset[str]
    crops_first: bool
    degrade: Callable[[Config], Degradation]
    baselines: Callable[[Config], Baselines]
    facts: Callable[[Config], dict[str, Any]]
    describe: Callable[[Any], str]
    target: Callable[[Config], str]
    unit: Callable[[tuple[float, float]], str]
    mask_above: Callable[[tuple[float, float]], float]
    windows: tuple[tuple[str, float, float], ...]
    shown: tuple[str, ...]
    original: Original | None

"""The sections about learning and runs, and the whole that all sections make."""

import dataclasses
from typing import Any, Literal

from sisr_jax.config.data import Augmentation, Data
from sisr_jax.config.degradations import DEGRADATIONS
from sisr_jax.config.networks import GENERATORS, Discriminator


def _phase(*moves: str) -> Any:
    """A number of steps, with the networks that they move."""
    return dataclasses.field(metadata={"moves": moves})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss:
    """Generator loss: `pixel + sum of terms + adversarial_weight * BCE(real)`.

    Attributes:
        pixel: Name in `losses.PIXEL_LOSSES`.
        terms: Further terms, `((name, weight), ...)`, by their names in
            `losses.TERMS`.
        adversarial_weight: Of the cross entropy, in the adversarial phase.
    """

    pixel: str
    terms: tuple[tuple[str, float], ...]
    adversarial_weight: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer:
    """Adam with global-norm clipping and a schedule over the network's updates.

    Attributes:
        learning_rate: Peak value.
        schedule: `constant`; `cosine` to `final_fraction` over all updates the
            network gets; `step`: times `decay_rate` every `every_steps`;
            `cyclic`: triangle between `final_fraction` and 1 with half period
            `every_steps`.
        every_steps: See `schedule`.
        decay_rate: See `schedule`.
        final_fraction: See `schedule`.
        warmup_steps: Linear ramp from 0, before the schedule.
        beta1: First-moment decay of Adam.
        beta2: Second-moment decay of Adam.
        clip_norm: Largest global gradient norm; 0 switches clipping off.
    """

    learning_rate: float
    schedule: Literal["constant", "cosine", "step", "cyclic"]
    every_steps: int
    decay_rate: float
    final_fraction: float
    warmup_steps: int
    beta1: float
    beta2: float
    clip_norm: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizers:
    """One optimiser for each network."""

    generator: Optimizer
    discriminator: Optimizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phases:
    """Steps of each phase, run in this order; 0 leaves a phase out.

    A field is a phase: its name is that of the step in `train.steps`, and `moves` are
    the networks that it updates.
    """

    generator: int = _phase("generator")
    discriminator: int = _phase("discriminator")
    adversarial: int = _phase("generator", "discriminator")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Init:
    """Working folders of other runs whose weights a fresh run starts from."""

    generator: str
    discriminator: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """When and on how many images to evaluate.

    Attributes:
        every_steps: Validation during training.
        batch_size: Global evaluation batch; the last one is padded and masked.
        num_validation: Validation images used during training, evenly spread
            over the split (0: all).
        metrics: Further numbers of each image, by their names in `metrics.METRICS`.
        num_figure: Test images in the final figure.
        equalise_figure: Show the grey levels of the figure at their rank among those
            of the truth (histogram equalisation, as the original did).
    """

    every_steps: int
    batch_size: int
    num_validation: int
    metrics: tuple[str, ...]
    num_figure: int
    equalise_figure: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Saves every `every_steps`; keeps the last `keep_last` and the best one."""

    every_steps: int
    keep_last: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Log:
    """Steps between metric lines and between sample images."""

    every_steps: int
    images_every_steps: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Safety:
    """What a run does about numbers that would spoil it; see `train.safety`.

    Attributes:
        max_skipped_in_a_row: A step with a loss or a gradient that is not finite is
            skipped; so many in a row end the run.
        saturated_real: The discriminator is saturated when its mean probability of
            real is above this for real images,
        saturated_generated: and below this for generated ones,
        saturated_records: for so many metric records of the adversarial phase in a
            row: then a warning says so.
    """

    max_skipped_in_a_row: int
    saturated_real: float
    saturated_generated: float
    saturated_records: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mesh:
    """How devices share the work; may change when a run is resumed.

    Attributes:
        model: Devices that share one copy of the discriminator's dense head, whose
            other weights every device has whole; the batch is split over the groups.
    """

    model: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Everything a run depends on.

    Attributes:
        degradation: A section of `DEGRADATIONS`, by its `kind`.
        generator: A section of `GENERATORS`, by its `kind`.
    """

    seed: int
    compute_dtype: Literal["float32", "bfloat16"]
    ema_decay: float
    data: Data
    augmentation: Augmentation
    degradation: Any = dataclasses.field(metadata={"kinds": DEGRADATIONS})
    generator: Any = dataclasses.field(metadata={"kinds": GENERATORS})
    discriminator: Discriminator
    loss: Loss
    optimizer: Optimizers
    phases: Phases
    init: Init
    evaluation: Evaluation
    checkpoint: Checkpoint
    log: Log
    safety: Safety
    mesh: Mesh

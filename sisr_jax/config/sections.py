"""The sections about learning and runs, and the whole that all sections make."""

import dataclasses
from typing import Annotated, Any, Literal

from sisr_jax.config.data import Augmentation, Data
from sisr_jax.config.degradations import DEGRADATIONS
from sisr_jax.config.networks import DISCRIMINATORS, GENERATORS
from sisr_jax.config.ranges import (
    BatchSize,
    Count,
    Decay,
    Fraction,
    Names,
    Range,
    Steps,
    Weight,
)
from sisr_jax.losses import PIXEL_LOSSES, TERMS
from sisr_jax.metrics import METRICS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss:
    """Generator loss: `pixel + sum of terms + adversarial_weight * BCE(real)`.

    Attributes:
        pixel: Mean over the pixels of this one of `losses.PIXEL_LOSSES`.
        terms: Further terms with their weights, of `losses.TERMS`.
        adversarial_weight: Weight of the cross entropy, in the adversarial phase.
    """

    pixel: Annotated[str, Names(PIXEL_LOSSES)]
    terms: tuple[tuple[Annotated[str, Names(TERMS)], Weight], ...]
    adversarial_weight: Weight


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer:
    """Adam with global-norm clipping and a schedule over the network's updates.

    Attributes:
        learning_rate: Peak value.
        schedule: `constant`; `cosine` to `final_fraction` over all updates the
            network gets; `step`: times `decay_rate` every `every_steps`;
            `cyclic`: triangle between `final_fraction` and 1 with half period
            `every_steps`.
        every_steps: Updates between decays of `step`; half a period of `cyclic`.
        decay_rate: Factor of each decay of `step`.
        final_fraction: End of `cosine` and lower bound of `cyclic`, of the peak value.
        warmup_steps: Updates of a linear ramp from 0, before the schedule.
        beta1: First-moment decay of Adam.
        beta2: Second-moment decay of Adam.
        clip_norm: Largest global gradient norm; 0 switches clipping off.
    """

    learning_rate: Annotated[float, Range(0, 1, above=True)]
    schedule: Literal["constant", "cosine", "step", "cyclic"]
    every_steps: Count
    decay_rate: Annotated[float, Range(0, 1, above=True)]
    final_fraction: Fraction
    warmup_steps: Steps
    beta1: Decay
    beta2: Decay
    clip_norm: Annotated[float, Range(0, 1e9)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizers:
    """One optimiser for each network.

    Attributes:
        generator: That of the generator.
        discriminator: That of the discriminator.
    """

    generator: Optimizer
    discriminator: Optimizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phases:
    """Steps of each phase, run in this order; 0 leaves a phase out.

    A field is a phase: its name is that of the step in `train.steps`, and `moves` are
    the networks that it updates.

    Attributes:
        generator: Steps of the generator by `loss.pixel` and `loss.terms`.
        discriminator: Steps of the discriminator, told true images from estimates.
        adversarial: Steps of both, the generator by the whole loss.
    """

    generator: Steps = dataclasses.field(metadata={"moves": ("generator",)})
    discriminator: Steps = dataclasses.field(metadata={"moves": ("discriminator",)})
    adversarial: Steps = dataclasses.field(
        metadata={"moves": ("generator", "discriminator")}
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Init:
    """Working folders of other runs whose weights a fresh run starts from.

    Attributes:
        generator: Folder whose averaged generator is taken; empty: random weights.
        discriminator: Folder whose discriminator is taken; empty: random weights.
    """

    generator: str
    discriminator: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """When and on how many images to evaluate.

    Attributes:
        every_steps: Steps between validations during training.
        batch_size: Global evaluation batch; the last one is padded and masked.
        num_validation: Validation images used during training, evenly spread
            over the split (0: all).
        metrics: Further numbers of each image, of `metrics.METRICS`.
        num_figure: Test images in the final figure.
        equalise_figure: Show the grey levels of the figure at their rank among those
            of the truth (histogram equalisation, as the original did).
    """

    every_steps: Count
    batch_size: BatchSize
    num_validation: Annotated[int, Range(0, 10**9)]
    metrics: tuple[Annotated[str, Names(METRICS)], ...]
    num_figure: Annotated[int, Range(1, 64)]
    equalise_figure: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """When to save, and what to keep.

    Attributes:
        every_steps: Steps between checkpoints; the ends of phases are saved, too.
        keep_last: Newest checkpoints that are kept, beside the best one and the ends of
            phases.
    """

    every_steps: Count
    keep_last: Annotated[int, Range(1, 1000)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Log:
    """When to write what a run is doing.

    Attributes:
        every_steps: Steps between records of the metrics.
        images_every_steps: Steps between sample images in TensorBoard.
    """

    every_steps: Count
    images_every_steps: Count


@dataclasses.dataclass(frozen=True, kw_only=True)
class Safety:
    """What a run does about numbers that would spoil it; see `train.safety`.

    Attributes:
        max_skipped_in_a_row: A step with a loss or a gradient that is not finite is
            skipped; so many in a row end the run.
        saturated_real: The discriminator is saturated when its mean probability of
            real is above this for real images and below `saturated_generated` for
            generated ones.
        saturated_generated: See `saturated_real`.
        saturated_records: Records of the adversarial phase in a row that find the
            discriminator saturated before a warning says so.
    """

    max_skipped_in_a_row: Count
    saturated_real: Fraction
    saturated_generated: Fraction
    saturated_records: Count


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mesh:
    """How devices share the work; may change when a run is resumed.

    Attributes:
        model: Devices that share one copy of the discriminator's dense head, whose
            other weights every device has whole; the batch is split over the groups.
    """

    model: Annotated[int, Range(1, 2**12)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Everything a run depends on.

    Attributes:
        seed: Seed of the root key, of which all random numbers are functions.
        compute_dtype: Type of the networks' activations; weights stay float32.
        ema_decay: Decay a step of the averaged generator, which is evaluated.
        degradation: A section of `DEGRADATIONS`, by its `kind`.
        generator: A section of `GENERATORS`, by its `kind`.
        discriminator: A section of `DISCRIMINATORS`, by its `kind`.
    """

    seed: Annotated[int, Range(0, 2**32, below=True)]
    compute_dtype: Literal["float32", "bfloat16"]
    ema_decay: Decay
    data: Data
    augmentation: Augmentation
    degradation: Any = dataclasses.field(metadata={"kinds": DEGRADATIONS})
    generator: Any = dataclasses.field(metadata={"kinds": GENERATORS})
    discriminator: Any = dataclasses.field(metadata={"kinds": DISCRIMINATORS})
    loss: Loss
    optimizer: Optimizers
    phases: Phases
    init: Init
    evaluation: Evaluation
    checkpoint: Checkpoint
    log: Log
    safety: Safety
    mesh: Mesh

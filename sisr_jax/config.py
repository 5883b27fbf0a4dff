"""What a configuration may say: one frozen dataclass for each section.

The files in `configs/` hold values (`ml_collections.ConfigDict`); `parse` turns
them into the typed `Config` that the rest of the package reads. A missing key,
an unknown key, a wrong type or an impossible value raises `ConfigError` with
the dotted name, the value and what was expected, before anything is compiled.
There are no defaults here: a config file states every value.
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from sisr_jax.errors import InputError


class ConfigError(InputError):
    """A configuration that cannot be run; the message names the key."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Where images come from and the fixed scale they are brought to.

    Attributes:
        source: `ct_phantoms`, `ultrasound_phantoms` (procedural), `folder`
            (PNG, TIFF, npz, DICOM, NIfTI) or `tfds` (prepared array_record folder).
        path: Folder of the `folder` and `tfds` sources, else empty.
        target: `image`: what a file or record holds. `dtce` or `bmode`: of
            `duke_ultrasound` records, the scanner's processed image, or dB below the
            frame's maximum.
        splits_csv: Optional CSV with columns `file` and `split` (train,
            validation or val, test) for the folder source; without it, split by a hash
            of the patient id.
        shape: Height and width of every image that enters the program.
        fit: `exact`: images have that shape; `crop`: larger ones are cropped
            (randomly in training, centrally in evaluation).
        patch: Height and width of the training crop, cut on the device.
        window: Physical values that become 0 and 1 (HU for CT).
        png_rescale: Slope and intercept from unsigned PNG and TIFF values to
            physical ones.
        num_phantoms: Train, validation and test sizes of procedural sources.
        batch_size: Global training batch.
        num_threads: Decoding threads.
    """

    source: Literal["ct_phantoms", "ultrasound_phantoms", "folder", "tfds"]
    path: str
    target: Literal["image", "dtce", "bmode"]
    splits_csv: str
    shape: tuple[int, int]
    fit: Literal["exact", "crop"]
    patch: tuple[int, int]
    window: tuple[float, float]
    png_rescale: tuple[float, float]
    num_phantoms: tuple[int, int, int]
    batch_size: int
    num_threads: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random symmetries drawn before the degradation.

    Attributes:
        flip_horizontal: Mirror the columns.
        flip_vertical: Mirror the rows.
        rotate: Turn by a multiple of 90 degrees; needs square images.
    """

    flip_horizontal: bool
    flip_vertical: bool
    rotate: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparseViewCT:
    """Sparse-view CT: keep every `factor`-th of `num_angles` views, then FBP.

    Attributes:
        kind: The name of this degradation.
        num_angles: Views of the full scan, over 180 degrees.
        factor: Every how many-th is kept.
        filter_name: Filter of the back-projection.
        method: `matmul`, or `exact` for the numerics of scikit-image.
        weights: Views weighted by the `gaps` between them, or `uniform` as in
            scikit-image.
    """

    kind: Literal["sparse_view_ct"]
    num_angles: int
    factor: int
    filter_name: Literal["ramp", "shepp-logan", "cosine", "hamming", "hann"]
    method: Literal["matmul", "exact"]
    weights: Literal["gaps", "uniform"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LateralDecimation:
    """Ultrasound: keep every `factor`-th column, the first being `offset`."""

    kind: Literal["lateral_decimation"]
    factor: int
    offset: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generator:
    """The SRResNet adapted to the degradation.

    Attributes:
        width: Channels of the trunk.
        num_blocks: Residual blocks.
        num_shuffles: CT: space-to-depth stages of the head, and as many pixel
            shuffles back; images must divide by `2**num_shuffles`. Ultrasound:
            0, the stages follow from the factor.
        norm: `batch`, `group` or `none`.
        global_skip: Add the degraded image (CT) or its aligned interpolation
            (ultrasound) to the output.
    """

    width: int
    num_blocks: int
    num_shuffles: int
    norm: Literal["batch", "group", "none"]
    global_skip: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Discriminator:
    """The SRGAN discriminator; `dense` is the original's fixed-size head."""

    width: int
    norm: Literal["batch", "group", "none"]
    head: Literal["pooled", "dense"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss:
    """Generator loss: `pixel + adversarial_weight * BCE(real)`."""

    pixel: Literal["mse", "l1", "charbonnier"]
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
    """Steps of each phase, run in this order; 0 leaves a phase out."""

    generator: int
    discriminator: int
    adversarial: int


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
        num_figure: Test images in the final figure.
        equalise_figure: Show the grey levels of the figure at their rank among those
            of the truth (histogram equalisation, as the original did).
    """

    every_steps: int
    batch_size: int
    num_validation: int
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
    """Everything a run depends on."""

    seed: int
    compute_dtype: Literal["float32", "bfloat16"]
    ema_decay: float
    data: Data
    augmentation: Augmentation
    degradation: SparseViewCT | LateralDecimation
    generator: Generator
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


def parse(values: Mapping[str, Any]) -> Config:
    """Turns nested plain values into a validated `Config`.

    Args:
        values: Nested mapping, for instance `ConfigDict.to_dict()`.

    Returns:
        The configuration, with every cross-field rule checked.

    Raises:
        ConfigError: Naming the key, its value and what was expected.
    """
    config = _parse_section(Config, values, "config")
    _check_ranges(config)
    _check_degradation(config)
    shape = config.data.shape
    _check(
        not config.augmentation.rotate or shape[0] == shape[1],
        "augmentation.rotate",
        True,
        f"a square data.shape to rotate, not {shape}",
    )
    return config


def _parse_section(section: Any, values: Any, path: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} = {values!r}: expected a section, not a value")
    hints = typing.get_type_hints(section)
    names = [field.name for field in dataclasses.fields(section)]
    for key in values:
        if key not in names:
            raise ConfigError(f"{path}.{key}: unknown key; known: {', '.join(names)}")
    for key in names:
        if key not in values:
            raise ConfigError(f"{path}.{key}: missing")
    return section(
        **{key: _parse_value(hints[key], values[key], f"{path}.{key}") for key in names}
    )


def _parse_value(hint: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _parse_section(hint, value, path)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            options = ", ".join(repr(option) for option in get_args(hint))
            raise ConfigError(f"{path} = {value!r}: expected one of {options}")
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple | list) or len(value) != len(get_args(hint)):
            raise ConfigError(
                f"{path} = {value!r}: expected {len(get_args(hint))} values"
            )
        return tuple(
            _parse_value(item_hint, item, f"{path}[{i}]")
            for i, (item_hint, item) in enumerate(
                zip(get_args(hint), value, strict=True)
            )
        )
    if hint in (bool, int, float, str):
        return _parse_scalar(hint, value, path)
    return _parse_union(get_args(hint), value, path)


def _parse_scalar(hint: type, value: Any, path: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not hint or value != value:
        raise ConfigError(f"{path} = {value!r}: expected {hint.__name__}")
    return value


def _parse_union(sections: tuple[Any, ...], value: Any, path: str) -> Any:
    kind = value.get("kind") if isinstance(value, Mapping) else value
    by_kind = {
        get_args(typing.get_type_hints(section)["kind"])[0]: section
        for section in sections
    }
    if kind not in by_kind:
        options = ", ".join(repr(option) for option in by_kind)
        raise ConfigError(f"{path}.kind = {kind!r}: expected one of {options}")
    return _parse_section(by_kind[kind], value, path)


def _check(condition: bool, path: str, value: Any, expected: str) -> None:
    if not condition:
        raise ConfigError(f"config.{path} = {value!r}: expected {expected}")


def _check_ranges(config: Config) -> None:
    data = config.data
    positive = {
        "data.shape": min(data.shape),
        "data.patch": min(data.patch),
        "data.batch_size": data.batch_size,
        "data.num_threads": data.num_threads,
        "degradation.factor": config.degradation.factor,
        "generator.width": config.generator.width,
        "generator.num_blocks": config.generator.num_blocks,
        "discriminator.width": config.discriminator.width,
        "evaluation.every_steps": config.evaluation.every_steps,
        "evaluation.batch_size": config.evaluation.batch_size,
        "evaluation.num_figure": config.evaluation.num_figure,
        "checkpoint.every_steps": config.checkpoint.every_steps,
        "checkpoint.keep_last": config.checkpoint.keep_last,
        "log.every_steps": config.log.every_steps,
        "log.images_every_steps": config.log.images_every_steps,
        "safety.max_skipped_in_a_row": config.safety.max_skipped_in_a_row,
        "safety.saturated_records": config.safety.saturated_records,
        "mesh.model": config.mesh.model,
        "optimizer.generator.every_steps": config.optimizer.generator.every_steps,
        "optimizer.discriminator.every_steps": (
            config.optimizer.discriminator.every_steps
        ),
    }
    for path, value in positive.items():
        _check(value >= 1, path, value, "at least 1")
    for name in ("saturated_real", "saturated_generated"):
        probability = getattr(config.safety, name)
        _check(0 <= probability <= 1, f"safety.{name}", probability, "0 to 1")
    validation = config.evaluation.num_validation
    _check(validation >= 0, "evaluation.num_validation", validation, "0 (all) or more")
    for name, steps in dataclasses.asdict(config.phases).items():
        _check(steps >= 0, f"phases.{name}", steps, "0 or more steps")
    _check(
        config.mesh.model == 1 or config.discriminator.head == "dense",
        "mesh.model",
        config.mesh.model,
        "1, as nothing but discriminator.head = 'dense' is split",
    )
    _check(0 <= config.seed < 2**32, "seed", config.seed, "0 <= seed < 2**32")
    _check(0 <= config.ema_decay < 1, "ema_decay", config.ema_decay, "0 <= decay < 1")
    _check(data.window[0] < data.window[1], "data.window", data.window, "low < high")
    _check(
        config.loss.adversarial_weight >= 0,
        "loss.adversarial_weight",
        config.loss.adversarial_weight,
        "0 or more",
    )
    _check(
        data.patch[0] <= data.shape[0] and data.patch[1] <= data.shape[1],
        "data.patch",
        data.patch,
        f"a crop that fits into data.shape = {data.shape}",
    )
    needs_path = data.source in ("folder", "tfds")
    _check(
        bool(data.path) == needs_path,
        "data.path",
        data.path,
        f"{'a folder' if needs_path else 'empty'} for data.source = {data.source!r}",
    )
    _check(
        data.target == "image" or data.source == "tfds",
        "data.target",
        data.target,
        f"'image' for data.source = {data.source!r}; the others are of tfds records",
    )
    _check(
        data.target != "bmode" or data.window[1] <= 0,
        "data.window",
        data.window,
        "dB, which end at 0 or below, such as (-60, 0), for data.target = 'bmode'",
    )


def _check_degradation(config: Config) -> None:
    data, generator = config.data, config.generator
    if isinstance(config.degradation, SparseViewCT):
        _check(
            data.shape[0] == data.shape[1], "data.shape", data.shape, "square for CT"
        )
        step = 2**generator.num_shuffles
        for name in ("shape", "patch"):
            size = getattr(data, name)
            _check(
                size[0] % step == 0 and size[1] % step == 0,
                f"data.{name}",
                size,
                f"multiples of 2**generator.num_shuffles = {step}",
            )
        angles, factor = config.degradation.num_angles, config.degradation.factor
        _check(
            factor <= angles,
            "degradation.factor",
            factor,
            f"at most degradation.num_angles = {angles}",
        )
        return
    factor, offset = config.degradation.factor, config.degradation.offset
    _check(factor & (factor - 1) == 0, "degradation.factor", factor, "a power of two")
    _check(
        0 <= offset < factor, "degradation.offset", offset, f"0 <= offset < {factor}"
    )
    for name in ("shape", "patch"):
        size = getattr(data, name)
        _check(
            size[1] % factor == 0,
            f"data.{name}",
            size,
            f"a width that degradation.factor = {factor} divides",
        )
    _check(
        generator.num_shuffles == 0,
        "generator.num_shuffles",
        generator.num_shuffles,
        "0 for ultrasound, where the factor sets the shuffles",
    )

"""What a number was measured on, as a value with a short stable name.

Two families. `physical`: one fixed window for every image, the target is the
slice or frame itself, estimates are clipped to the window. `original`: the original
project's protocol, for comparison with its table. There every image is scaled by
its own minimum and maximum, the truth and each estimate separately, the CT
target is the reconstruction from all views and nothing is clipped; its numbers
are several decibels lower for the same images and compare with nothing else.
"""

import dataclasses
import hashlib
import json
from typing import Any, Literal

from sisr_jax.config import Config
from sisr_jax.degradation import Modality, modality_named, modality_of
from sisr_jax.degradation.modality import Original

Family = Literal["physical", "original"]

# Attributes that a name from before they existed has left out.
_OPTIONAL = ("views", "dose", "split", "geometry")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything that two numbers must share to be compared.

    Attributes:
        family: `physical` or `original`, see the module.
        modality: Short name of a `degradation.Modality`.
        factor: CT: every `factor`-th view is kept; ultrasound: column.
        offset: First kept column (ultrasound).
        shape: Height and width of the images that are scored.
        crop: How other sizes get there: `none`; `central`; `central, mirrored`:
            smaller images are continued by their mirror image.
        num_angles: Views before the decimation, over 180 degrees or, of a fan beam,
            over 360 (CT, else 0).
        projector: Numerics of the projection (CT, else empty), of the degraded
            image as of every baseline; `reference` are those of scikit-image.
        weights: Of the views in a reconstruction (CT, else empty), likewise;
            `uniform` are those of scikit-image.
        filter_name: Filter of the degraded reconstruction (CT, else empty).
        target: `slice`, `frame`, `full-view fbp` with the ramp filter, or which of
            the images of a `duke_ultrasound` record (see `config.data.target`).
        window: Physical values that become 0 and 1 before anything else.
        scale: `shared`: that window for all; `own`: then each image by its own
            minimum and maximum, truth and estimates separately.
        clip: Whether estimates are clipped to [0, 1] before they are scored.
        data_range: Of PSNR and SSIM.
        mask_above: Physical value; the mask is the hull of what is brighter in
            the original image (see `measures.hull`).
        windows: Further windows to be scored in, `(name, low, high)`, physical.
        ssim: Window size, sigma, K1 and K2; Gaussian, valid positions only.
        views: Fewest and most views drawn for each image; None if all that are kept
            are measured.
        dose: Photons (fewest, most), electronic noise and pixel width of a scan with
            noise, else None.
        split: `position` if training saw other slices of the patients that are
            scored; None if it saw none of them.
        geometry: Of a fan beam: source to rotation centre and to detector in mm, kind
            and number of detectors, their pitch and offset and the width of a pixel in
            mm; else None.
        version: Raised when the numerics behind a number change.
    """

    family: Family
    modality: str
    factor: int
    offset: int
    shape: tuple[int, int]
    crop: str
    num_angles: int
    projector: str
    weights: str
    filter_name: str
    target: str
    window: tuple[float, float]
    scale: Literal["shared", "own"]
    clip: bool
    data_range: float
    mask_above: float
    windows: tuple[tuple[str, float, float], ...]
    ssim: tuple[int, float, float, float] = (11, 1.5, 0.01, 0.03)
    views: tuple[int, int] | None = None
    dose: tuple[Any, ...] | None = None
    split: str | None = None
    geometry: tuple[Any, ...] | None = None
    version: int = 1

    @property
    def id(self) -> str:
        """Short name, for instance `physical-ct-x16-3f9a1c`.

        The last part is a hash of all attributes, so equal names are equal
        protocols and the name does not depend on where or when it is computed.
        """
        values = dataclasses.asdict(self)
        for name in _OPTIONAL:
            if values[name] is None:
                del values[name]
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()[:6]
        split = f"-by-{self.split}" if self.split else ""
        return f"{self.family}-{self.modality}-x{self.factor}{split}-{digest}"

    @property
    def in_decibels(self) -> bool:
        """Whether values are dB below a maximum, so that an envelope is known."""
        return self.rmse_unit == "dB"

    @property
    def rmse_unit(self) -> str:
        """Unit of the root-mean-square error."""
        if self.scale == "own":
            return "shares of the image's own range"
        return modality_named(self.modality).unit(self.window)

    @property
    def rmse_scale(self) -> float:
        """Physical size of the range [0, 1]; 1 where scaling has lost it."""
        return 1.0 if self.scale == "own" else self.window[1] - self.window[0]

    def describe(self) -> str:
        """The protocol in one line that begins with its name."""
        height, width = self.shape
        modality = modality_named(self.modality)
        low, high = self.window
        window = f"[{low:g}, {high:g}] {modality.unit(self.window)}"
        scale = (
            f"window {window} as [0, 1]"
            if self.scale == "shared"
            else f"cut to {window}, then each image to its own range"
        )
        clipped = "estimates clipped" if self.clip else "nothing clipped"
        seen = "; training saw slices of the same patients" if self.split else ""
        return (
            f"{self.id}: {height} x {width}, {modality.describe(self)}; {scale}; "
            f"target {self.target}; {clipped}; RMSE in {self.rmse_unit}{seen}"
        )


def config_of(config: Config, family: Family = "physical") -> Config:
    """A configuration as images of a protocol are read and degraded.

    Args:
        config: Any configuration.
        family: See the module.

    Raises:
        ValueError: If the family is unknown, or the original knew no such images.
    """
    if family not in ("physical", "original"):
        raise ValueError(f"family = {family!r}: expected 'physical' or 'original'")
    if family == "physical":
        return config
    return original_of(modality_of(config)).config(config)


def original_of(modality: Modality) -> Original:
    """The original's protocol of a modality.

    Raises:
        ValueError: If there is none.
    """
    if modality.original is None:
        raise ValueError(
            f"family = 'original': the original has no {modality.name}, expected "
            "'physical'"
        )
    return modality.original


def protocol_of(config: Config, family: Family = "physical") -> Protocol:
    """The protocol by which a configuration's test split is scored.

    Args:
        config: Sets the degradation, the shape and, for `physical`, the window.
        family: See the module.

    Raises:
        ValueError: If the family is unknown, or the original knew no such images.
    """
    is_original = family == "original"
    config, modality = config_of(config, family), modality_of(config)
    crop = "central" if config.data.fit == "crop" else "none"
    target, windows = modality.target, _windows(modality.windows, config.data.window)
    if is_original:
        original = original_of(modality)
        crop, target = original.crop or crop, original.target
        windows = ()
    return Protocol(
        family=family,
        modality=modality.name,
        shape=config.data.shape,
        crop=crop,
        target=target(config),
        window=config.data.window,
        scale="own" if is_original else "shared",
        clip=not is_original,
        data_range=1.0,
        mask_above=modality.mask_above(config.data.window),
        windows=windows,
        split=None if config.data.split_by == "patient" else config.data.split_by,
        **modality.facts(config),
    )


def _windows(
    windows: tuple[tuple[str, float, float], ...], outer: tuple[float, float]
) -> tuple[tuple[str, float, float], ...]:
    """Display windows, cut to the window that the images have seen.

    Beyond it all images are equal, which would only flatter them. A window
    that has nothing in common with it is left out.
    """
    cut = [
        (name, max(low, outer[0]), min(high, outer[1])) for name, low, high in windows
    ]
    return tuple((name, low, high) for name, low, high in cut if low < high)

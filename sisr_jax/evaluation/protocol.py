"""What a number was measured on, as a value with a short stable name.

Two families. `physical`: one fixed window for every image, the target is the
slice or frame itself, estimates are clipped to the window. `seed`: the original
project's protocol, for comparison with its table. There every image is scaled by
its own minimum and maximum, the truth and each estimate separately, the CT
target is the reconstruction from all views and nothing is clipped; its numbers
are several decibels lower for the same images and compare with nothing else.
"""

import dataclasses
import hashlib
import json
from typing import Literal

from sisr_jax.config import Config, LateralDecimation, SparseViewCT

Family = Literal["physical", "seed"]

# The original cuts its slices to these HU before it scales them.
_SEED_CT_WINDOW = (-1024.0, 200.0)

# And cuts or mirrors its frames to this size.
_SEED_US_SHAPE = (512, 512)

# Display windows of radiology, HU: centre / width 40 / 400, -600 / 1500, 300 / 1500.
_CT_WINDOWS = {
    "soft": (-160.0, 240.0),
    "lung": (-1350.0, 150.0),
    "bone": (-450.0, 1050.0),
}

# What the hull of the mask holds is brighter: HU; levels of 255 of the window.
_BODY_ABOVE, _FAN_ABOVE = -500.0, 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything that two numbers must share to be compared.

    Attributes:
        family: `physical` or `seed`, see the module.
        modality: `ct` or `us`.
        factor: CT: every `factor`-th view is kept; ultrasound: column.
        offset: First kept column (ultrasound).
        shape: Height and width of the images that are scored.
        crop: How other sizes get there: `none`; `central`; `central, mirrored`:
            smaller images are continued by their mirror image.
        num_angles: Views before the decimation, over 180 degrees (CT, else 0).
        projector: Numerics of the projection (CT, else empty), of the degraded
            image as of every baseline; `exact` are those of scikit-image.
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
        version: Raised when the numerics behind a number change.
    """

    family: Family
    modality: Literal["ct", "us"]
    factor: int
    offset: int
    shape: tuple[int, int]
    crop: Literal["none", "central", "central, mirrored"]
    num_angles: int
    projector: str
    weights: str
    filter_name: str
    target: Literal["slice", "frame", "full-view fbp", "dtce", "bmode"]
    window: tuple[float, float]
    scale: Literal["shared", "own"]
    clip: bool
    data_range: float
    mask_above: float
    windows: tuple[tuple[str, float, float], ...]
    ssim: tuple[int, float, float, float] = (11, 1.5, 0.01, 0.03)
    version: int = 1

    @property
    def id(self) -> str:
        """Short name, for instance `physical-ct-x16-3f9a1c`.

        The last part is a hash of all attributes, so equal names are equal
        protocols and the name does not depend on where or when it is computed.
        """
        values = dataclasses.asdict(self)
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()[:6]
        return f"{self.family}-{self.modality}-x{self.factor}-{digest}"

    @property
    def in_decibels(self) -> bool:
        """Whether values are dB below a maximum, so that an envelope is known."""
        shared = self.modality == "us" and self.scale == "shared"
        return shared and self.window[1] <= 0

    @property
    def rmse_unit(self) -> str:
        """Unit of the root-mean-square error."""
        if self.scale == "own":
            return "shares of the image's own range"
        if self.modality == "ct":
            return "HU"
        return "dB" if self.in_decibels else "levels"

    @property
    def rmse_scale(self) -> float:
        """Physical size of the range [0, 1]; 1 where scaling has lost it."""
        return 1.0 if self.scale == "own" else self.window[1] - self.window[0]

    def describe(self) -> str:
        """The protocol in one line that begins with its name."""
        height, width = self.shape
        low, high = self.window
        unit = " HU" if self.modality == "ct" else ""
        if self.modality == "ct":
            kept = -(-self.num_angles // self.factor)
            how = (
                f"{kept} of {self.num_angles} views ({self.projector}, {self.weights} "
                f"weights), {self.filter_name} FBP"
            )
        else:
            how = f"every {self.factor}th column"
            how += ", smaller frames mirrored" if "mirrored" in self.crop else ""
        scale = (
            f"window [{low:g}, {high:g}]{unit} as [0, 1]"
            if self.scale == "shared"
            else f"cut to [{low:g}, {high:g}]{unit}, then each image to its own range"
        )
        clipped = "estimates clipped" if self.clip else "nothing clipped"
        target = f"target {self.target}"
        return (
            f"{self.id}: {height} x {width}, {how}; {scale}; {target}; {clipped}; "
            f"RMSE in {self.rmse_unit}"
        )


def protocol_of(config: Config, family: Family = "physical") -> Protocol:
    """The protocol by which a configuration's test split is scored.

    Args:
        config: Sets the degradation, the shape and, for `physical`, the window.
        family: See the module.

    Raises:
        ValueError: If the family is unknown.
    """
    if family not in ("physical", "seed"):
        raise ValueError(f"family = {family!r}: expected 'physical' or 'seed'")
    if isinstance(config.degradation, SparseViewCT):
        return _ct_protocol(config, config.degradation, family)
    return _ultrasound_protocol(config, config.degradation, family)


def _ct_protocol(config: Config, views: SparseViewCT, family: Family) -> Protocol:
    seed = family == "seed"
    window = _SEED_CT_WINDOW if seed else config.data.window
    return Protocol(
        family=family,
        modality="ct",
        factor=views.factor,
        offset=0,
        shape=config.data.shape,
        crop="central" if config.data.fit == "crop" else "none",
        num_angles=views.num_angles,
        projector="exact" if seed else views.method,
        weights="uniform" if seed else views.weights,
        filter_name="ramp" if seed else views.filter_name,
        target="full-view fbp" if seed else "slice",
        window=window,
        scale="own" if seed else "shared",
        clip=not seed,
        data_range=1.0,
        mask_above=_BODY_ABOVE,
        windows=() if seed else _windows(window),
    )


def _ultrasound_protocol(
    config: Config, columns: LateralDecimation, family: Family
) -> Protocol:
    seed = family == "seed"
    cropped = "central" if config.data.fit == "crop" else "none"
    low, high = config.data.window
    return Protocol(
        family=family,
        modality="us",
        factor=columns.factor,
        offset=0 if seed else columns.offset,
        shape=_SEED_US_SHAPE if seed else config.data.shape,
        crop="central, mirrored" if seed else cropped,
        num_angles=0,
        projector="",
        weights="",
        filter_name="",
        target="frame" if config.data.target == "image" else config.data.target,
        window=config.data.window,
        scale="own" if seed else "shared",
        clip=not seed,
        data_range=1.0,
        mask_above=low + _FAN_ABOVE * (high - low) / 255,
        windows=(),
    )


def _windows(outer: tuple[float, float]) -> tuple[tuple[str, float, float], ...]:
    """The display windows, cut to the window that the images have seen.

    Beyond it all images are equal, which would only flatter them. A window
    that has nothing in common with it is left out.
    """
    cut = [
        (name, max(low, outer[0]), min(high, outer[1]))
        for name, (low, high) in _CT_WINDOWS.items()
    ]
    return tuple((name, low, high) for name, low, high in cut if low < high)

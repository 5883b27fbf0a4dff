"""The sections about images: where they come from, and their symmetries."""

import dataclasses
from typing import Literal

from sisr_jax.config.checks import check


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

    def check(self) -> None:
        """Raises ConfigError for values that do not go together."""
        check(self.window[0] < self.window[1], "data.window", self.window, "low < high")
        check(
            self.patch[0] <= self.shape[0] and self.patch[1] <= self.shape[1],
            "data.patch",
            self.patch,
            f"a crop that fits into data.shape = {self.shape}",
        )
        needs_path = self.source in ("folder", "tfds")
        check(
            bool(self.path) == needs_path,
            "data.path",
            self.path,
            f"{'a folder' if needs_path else 'empty'} for data.source = "
            f"{self.source!r}",
        )
        check(
            self.target == "image" or self.source == "tfds",
            "data.target",
            self.target,
            f"'image' for data.source = {self.source!r}; the others are of tfds "
            "records",
        )
        check(
            self.target != "bmode" or self.window[1] <= 0,
            "data.window",
            self.window,
            "dB, which end at 0 or below, such as (-60, 0), for data.target = 'bmode'",
        )


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

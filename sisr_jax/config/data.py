"""The sections about images: where they come from, and their symmetries."""

import dataclasses
from typing import Annotated, Literal

from sisr_jax.config.checks import check
from sisr_jax.config.ranges import BatchSize, Intensity, Phantoms, Pixels, Range

# Below, float32 leaves too few levels between the ends of a window.
_RESOLUTION = 1e-4
# Below, every image would be constant.
_LEAST_SLOPE = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Where images come from and the fixed scale they are brought to.

    Attributes:
        source: The phantoms are drawn, and so are `echo_maps`, from which a
            degradation simulates frames of ultrasound; a `folder` holds PNG, JPEG,
            TIFF, npy, npz, DICOM or NIfTI files, `tfds` is a prepared array_record
            folder.
        path: Folder of the `folder` and `tfds` sources, else empty.
        target: `image`: what a file or record holds. `dtce` or `bmode`: of
            `duke_ultrasound` records, the scanner's processed image, or dB below the
            frame's maximum.
        splits_csv: Optional CSV with columns `file` and `split` (train,
            validation or val, test) for the folder source; without it, see `split_by`.
        split_by: `patient`: a hash of it puts all of its images into one split.
            `position`: of every series, volume or folder the first images go to
            training, the last to the test, for data of one patient; the scores then
            say nothing of other patients, and their protocol is another one.
        shape: Height and width of every image that enters the program.
        fit: `exact`: images have that shape; `crop`: larger ones are cropped
            (randomly in training, centrally in evaluation).
        patch: Height and width of the training crop, cut on the device.
        crops_per_image: Crops of each image of a batch. CT degrades whole images, and
            several crops share the cost of that.
        window: Physical values that become 0 and 1 (HU for CT).
        png_rescale: Slope and intercept from unsigned PNG and TIFF values to
            physical ones.
        num_phantoms: Train, validation and test sizes of procedural sources.
        batch_size: Global training batch, in images.
        num_threads: Decoding threads.
    """

    source: Literal["ct_phantoms", "ultrasound_phantoms", "echo_maps", "folder", "tfds"]
    path: str
    target: Literal["image", "dtce", "bmode"]
    splits_csv: str
    split_by: Literal["patient", "position"]
    shape: tuple[Pixels, Pixels]
    fit: Literal["exact", "crop"]
    patch: tuple[Pixels, Pixels]
    crops_per_image: Annotated[int, Range(1, 1024)]
    window: tuple[Intensity, Intensity]
    png_rescale: tuple[Intensity, Intensity]
    num_phantoms: tuple[Phantoms, Phantoms, Phantoms]
    batch_size: BatchSize
    num_threads: Annotated[int, Range(1, 256)]

    def check(self) -> None:
        """Raises ConfigError for values that do not go together."""
        low, high = self.window
        check(
            high - low > _RESOLUTION * max(abs(low), abs(high)),
            "data.window",
            self.window,
            f"low < high, further apart than {_RESOLUTION:g} of the larger one",
        )
        check(
            abs(self.png_rescale[0]) >= _LEAST_SLOPE,
            "data.png_rescale",
            self.png_rescale,
            f"a slope of at least {_LEAST_SLOPE:g} or at most -{_LEAST_SLOPE:g}",
        )
        check(
            self.patch[0] <= self.shape[0] and self.patch[1] <= self.shape[1],
            "data.patch",
            self.patch,
            f"a crop that fits into data.shape = {self.shape}",
        )
        check(
            self.crops_per_image == 1 or self.patch != self.shape,
            "data.crops_per_image",
            self.crops_per_image,
            f"1, as data.patch = data.shape = {self.shape} crops nothing",
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
            self.split_by == "patient"
            or (self.source == "folder" and not self.splits_csv),
            "data.split_by",
            self.split_by,
            "'patient', except for data.source = 'folder' without data.splits_csv",
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

"""The sections about images: where they come from and what is lost of them."""

import dataclasses
from typing import Literal


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

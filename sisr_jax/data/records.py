"""Prepared TFDS folders: how an image lies in a record, and records as a source.

Nothing here needs TensorFlow, nor OpenCV, which TFDS would use for 16-bit PNG.
"""

import io
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from sisr_jax.config import Data
from sisr_jax.data.formats.readers import MAX_PIXELS
from sisr_jax.data.splits import Split
from sisr_jax.errors import InputError

Encoding = Literal["png", "zlib", "raw"]
UltrasoundTarget = Literal["dtce", "bmode"]

DUKE = "duke_ultrasound"

# A sample without an echo is -inf dB; this is what it becomes.
FLOOR_DB = -100.0

# Features that hold pixels, by the names of all datasets read here.
_PIXELS = frozenset({"image", "images", "das", "dtce"})

# What a record of the catalogue's ultrasound has instead of an `image`.
_FLAT = frozenset({"das", "dtce", "height", "width"})

_TENSOR_ENCODING = {"zlib": "zlib", "raw": "bytes"}


def slice_feature(encoding: Encoding, shape: tuple[int, int]) -> Any:
    """The TFDS feature of one 16-bit slice `[height, width, 1]`.

    Args:
        encoding: `png`: smallest and slowest to decode; `zlib`; `raw`: fastest,
            only packed by the record file itself.
        shape: Height and width.
    """
    full = (*shape, 1)
    if encoding == "png":
        return tfds.features.Image(shape=full, dtype=np.uint16, encoding_format="png")
    return tfds.features.Tensor(
        shape=full, dtype=np.uint16, encoding=_TENSOR_ENCODING[encoding]
    )


def volume_feature(encoding: Encoding, shape: tuple[int, int]) -> Any:
    """The TFDS feature of a stack of 16-bit slices `[slices, height, width, 1]`."""
    if encoding == "png":
        return tfds.features.Sequence(slice_feature(encoding, shape))
    return tfds.features.Tensor(
        shape=(None, *shape, 1), dtype=np.uint16, encoding=_TENSOR_ENCODING[encoding]
    )


def decode_png(data: bytes) -> np.ndarray:
    """Stored values of an 8- or 16-bit grey PNG, `[height, width]`.

    Raises:
        InputError: If it is damaged, of another kind, or larger than `MAX_PIXELS`;
            the caller knows its name.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"PNG of {image.height}x{image.width} pixels, expected at most "
                    f"{MAX_PIXELS} in all"
                )
            if image.mode not in ("L", "I;16"):
                raise InputError(
                    f"PNG of mode {image.mode}, expected 8- or 16-bit grey"
                )
            return np.asarray(image)
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error) as error:
        raise InputError(f"truncated or damaged PNG ({error})") from error


class _PngDecoder(tfds.decode.Decoder):
    """Decodes 16-bit PNG with Pillow, one image or a sequence of them."""

    def decode_example(self, serialized_example: Any) -> np.ndarray:
        return decode_png(serialized_example)[..., None]

    def decode_batch_example_np(self, serialized_example: Any) -> np.ndarray:
        return np.stack([self.decode_example(data) for data in serialized_example])


class Records:
    """One split of a prepared array_record folder; a record is a dict of arrays.

    Attributes:
        label: What errors call the folder.
        name: Dataset and split.
        features: Names of the features.
        targets: What `config.data.target` can be for these records.
    """

    def __init__(self, path: str, split: str) -> None:
        self.label = f"config.data.path = {path!r}"
        if not (Path(path) / "dataset_info.json").is_file():
            raise InputError(f"{self.label}: no dataset_info.json in this folder")
        builder: Any = tfds.builder_from_directory(path)
        if split not in builder.info.splits:
            listing = ", ".join(builder.info.splits) or "none"
            raise InputError(f"{self.label}: no split {split!r}; it has {listing}")
        self.name = f"{builder.info.name}/{split}"
        self.features = frozenset(builder.info.features)
        self.targets = _targets(builder.info)
        decoders = {
            key: _PngDecoder()
            for key, feature in builder.info.features.items()
            if _holds_png16(feature)
        }
        undecoded = dict.fromkeys({"image"} & self.features, tfds.decode.SkipDecoding())
        try:
            self._records = builder.as_data_source(split=split, decoders=decoders)
            self._details = builder.as_data_source(split=split, decoders=undecoded)
        except NotImplementedError as error:  # TFDS, of a format without random access
            raise InputError(
                f"{self.label}: not in array_record format, which random access needs; "
                "prepare it with file_format='array_record'"
            ) from error

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):  # also ends a `for` over the records
            raise IndexError(f"{self.name}: record {index} of {len(self)}")
        try:
            return self._records[index]
        except (InputError, zlib.error) as error:
            raise InputError(f"{self.name}/{index:06d}: {error}") from error

    def details(self, index: int) -> dict[str, Any]:
        """A record without its pixels; an `image` is not even decoded for it."""
        record = self._details[index]
        return {k: v for k, v in record.items() if k not in _PIXELS}


def _holds_png16(feature: Any) -> bool:
    if isinstance(feature, tfds.features.Sequence):
        feature = feature.feature
    return isinstance(feature, tfds.features.Image) and feature.np_dtype == np.uint16


def _targets(info: Any) -> tuple[str, ...]:
    if _FLAT <= frozenset(info.features):
        return "dtce", "bmode"
    # A prepared folder holds one image, and its configuration is named after it.
    return ("image", info.config_name) if info.name == DUKE else ("image",)


class TfdsSource:
    """One split of a prepared folder as images in physical units.

    Reads the feature `image`: unsigned integers go through `config.png_rescale`,
    signed ones and floats are physical values. A `duke_ultrasound` folder of the
    TFDS catalogue has two flat arrays instead, of which `config.target` takes one:
    `dtce`, or dB relative to the frame's maximum, not below `FLOOR_DB`.

    Args:
        config: The data section; `path` is the folder with `dataset_info.json`.
        split: Which images.

    Raises:
        InputError: If the folder, the split, the image feature or the target is
            missing.
    """

    def __init__(self, config: Data, split: Split) -> None:
        self._records = Records(config.path, split)
        self._target = config.target
        self._rescale = config.png_rescale
        features, label = self._records.features, self._records.label
        self._flat = _FLAT <= features
        if "images" in features:
            raise InputError(
                f"{label}: holds volumes, expected one image in a record; prepare "
                "another configuration of the dataset"
            )
        if "image" not in features and not self._flat:
            raise InputError(f"{label}: no feature 'image' in this dataset")
        if config.target not in self._records.targets:
            listing = " or ".join(map(repr, self._records.targets))
            raise InputError(
                f"config.data.target = {config.target!r}: {config.path} has {listing}"
            )

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> np.ndarray:
        record = self._records[index]
        if self._flat:
            return self._unflatten(record, index)
        image = np.asarray(record["image"])
        if image.ndim == 3 and image.shape[-1] == 1:
            image = image[..., 0]
        if image.ndim != 2 or image.dtype.kind not in "uif":
            raise InputError(
                f"{self.name(index)}: feature 'image' has shape {image.shape} and type "
                f"{image.dtype}; expected one real channel"
            )
        if image.dtype.kind == "u":
            slope, intercept = self._rescale
            return (image * np.float64(slope) + intercept).astype(np.float32)
        return image.astype(np.float32)

    def name(self, index: int) -> str:
        """Dataset, split and position."""
        return f"{self._records.name}/{index:06d}"

    def details(self, index: int) -> dict[str, Any]:
        """What a record keeps beside its pixels: boxes, spacing, geometry, names.

        Strings are bytes, as TFDS returns them.
        """
        return self._records.details(index)

    def _unflatten(self, record: dict[str, Any], index: int) -> np.ndarray:
        bmode = self._target == "bmode"
        values = np.asarray(record["das"]["dB"] if bmode else record["dtce"])
        height, width = int(record["height"]), int(record["width"])
        if height < 1 or width < 1 or values.size != height * width:
            raise InputError(
                f"{self.name(index)}: {values.size} samples, expected height x width = "
                f"{height}x{width}"
            )
        image = values.reshape(height, width).astype(np.float32)
        return np.maximum(image, np.float32(FLOOR_DB)) if bmode else image

"""Prepared TFDS folders as a source; records are decoded without TensorFlow."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_data_source import ArrayRecordDataSource

from sisr_jax.config import Data
from sisr_jax.data.prepared import INFO, Info, read_info
from sisr_jax.data.record_features import read_features
from sisr_jax.data.shard_chunks import check_shard
from sisr_jax.data.splits import Split
from sisr_jax.errors import InputError, one_line

UltrasoundTarget = Literal["dtce", "bmode"]

_QUOTED = 100  # letters of an error of TFDS

DUKE = "duke_ultrasound"

# A sample without an echo is -inf dB; this is what it becomes.
FLOOR_DB = -100.0

# Features that hold pixels, by the names of all datasets read here.
_PIXELS = frozenset({"image", "images", "das", "dtce"})

# What a record of the catalogue's ultrasound has instead of an `image`.
_FLAT = frozenset({"das", "dtce", "height", "width"})

# That look at shards when they are opened.
_NUM_THREADS = 16


class Records:
    """One split of a prepared array_record folder; a record is a dict of arrays.

    Attributes:
        label: What errors call the folder.
        name: Dataset and split.
        features: Names of the features.
        targets: What `config.data.target` can be for these records.
        shards: The files, in order.
    """

    def __init__(self, path: str, split: str) -> None:
        self.label = f"config.data.path = {path!r}"
        folder = Path(path)
        if not os.path.isfile(folder / INFO):
            raise InputError(f"{self.label}: no {INFO} in this folder")
        info = read_info(folder)
        self._features, self._decoders = read_features(folder)
        if not any(info.splits.get(split, ())):
            listing = ", ".join(name for name, n in info.splits.items() if any(n))
            raise InputError(
                f"{self.label}: no split {split!r}; it has {listing or 'none'}"
            )
        self.name = f"{info.name}/{split}"
        self.features = frozenset(self._features)
        self.targets = _targets(info, self.features)
        self.shards = info.shards(folder, split)
        self._records = _open_shards(self.shards, sum(info.splits[split]))
        undecoded = dict.fromkeys({"image"} & self.features, tfds.decode.SkipDecoding())
        self._without_image = self._decoders | undecoded

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._read(index, self._decoders)

    def details(self, index: int) -> dict[str, Any]:
        """A record without its pixels; an `image` is not even decoded for it."""
        record = self._read(index, self._without_image)
        return {k: v for k, v in record.items() if k not in _PIXELS}

    def _read(self, index: int, decoders: dict[str, Any]) -> dict[str, Any]:
        if not 0 <= index < len(self):  # also ends a `for` over the records
            raise IndexError(f"{self.name}: record {index} of {len(self)}")
        name = f"{self.name}/{index:06d}"
        try:
            record = self._features.deserialize_example_np(
                self._records[index], decoders=decoders
            )
            for feature, value in record.items():
                inner = value.values() if isinstance(value, dict) else [value]
                if any(each is None for each in inner):
                    raise InputError(f"no feature {feature!r} in the record")
            return record
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        # Damaged bytes surface as almost any type; the cause stays chained.
        except Exception as error:
            raise InputError(f"{name}: damaged record ({_short(error)})") from error


def _open_shards(shards: list[Path], expected: int) -> ArrayRecordDataSource:
    for path in shards:
        if not path.is_file():
            raise InputError(f"{path}: no such file, expected a shard")
    folder = shards[0].parent
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        list(pool.map(check_shard, shards))
    try:
        records = ArrayRecordDataSource([str(path) for path in shards])
    except Exception as error:  # the compiled reader has types of its own
        raise InputError(f"{folder}: damaged shard ({_short(error)})") from error
    if len(records) != expected:
        raise InputError(
            f"{folder}: {len(records)} records in the shards of a split, "
            f"{expected} in {INFO}"
        )
    return records


def _short(error: Exception) -> str:
    """The start of its first line: TFDS goes on for pages, and quotes the record."""
    first = (str(error).splitlines() or [""])[0][:_QUOTED]
    return one_line(f"{type(error).__name__}: {first}")


def _targets(info: Info, features: frozenset[str]) -> tuple[str, ...]:
    if _FLAT <= features:
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

    def files(self) -> list[Path]:
        """The shards."""
        return self._records.shards

    def details(self, index: int) -> dict[str, Any]:
        """What a record keeps beside its pixels: boxes, spacing, geometry, names.

        Strings are bytes, as TFDS returns them.
        """
        return self._records.details(index)

    def _unflatten(self, record: dict[str, Any], index: int) -> np.ndarray:
        bmode = self._target == "bmode"
        values = record["das"] if bmode else record["dtce"]
        if bmode:  # which a folder that somebody made need not have
            values = values.get("dB") if isinstance(values, dict) else None
        sides = [np.asarray(record[side]) for side in ("height", "width")]
        values = np.asarray(values)
        whole = all(side.shape == () and side.dtype.kind in "ui" for side in sides)
        if not whole or values.dtype.kind not in "uif":
            raise InputError(
                f"{self.name(index)}: samples of type {values.dtype}, height and width "
                f"of {sides[0].dtype} and {sides[1].dtype}; expected real samples and "
                "whole numbers"
            )
        height, width = map(int, sides)
        if height < 1 or width < 1 or values.size != height * width:
            raise InputError(
                f"{self.name(index)}: {values.size} samples, expected height x width = "
                f"{height}x{width}"
            )
        image = values.reshape(height, width).astype(np.float32)
        return np.maximum(image, np.float32(FLOOR_DB)) if bmode else image

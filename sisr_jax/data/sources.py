"""Where images come from: one small protocol, four kinds of source."""

import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sisr_jax.config import Data
from sisr_jax.data.folder import open_folder
from sisr_jax.data.phantoms import open_phantoms
from sisr_jax.data.splits import Split
from sisr_jax.errors import InputError

# Decoded images kept in memory, for each open source.
CACHE_BYTES = 2**30


class Source(Protocol):
    """A finite, ordered collection of images in physical units."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray:
        """Image `index` as float32 `[height, width]`, before any window."""
        ...

    def name(self, index: int) -> str:
        """What tables and errors call the image; unique in the source."""
        ...


def open_source(config: Data, split: Split, *, seed: int) -> Source:
    """Opens one split and checks everything that can be checked without decoding.

    Decoded images are kept in memory, up to `CACHE_BYTES` for each source, because
    training visits them every epoch.

    Args:
        config: The data section.
        split: `train`, `validation` or `test`.
        seed: Seed of procedural images; files do not depend on it.

    Returns:
        The images, in a fixed order. They are read-only arrays.

    Raises:
        InputError: One line that names the key or file, what it is and what was
            expected.
    """
    if config.source == "folder":
        return CachedSource(open_folder(config, split), max_bytes=CACHE_BYTES)
    if config.source == "tfds":
        return CachedSource(TfdsSource(config, split), max_bytes=CACHE_BYTES)
    phantoms = open_phantoms(config, split, seed=seed)
    return CachedSource(phantoms, max_bytes=CACHE_BYTES)


class CachedSource:
    """Keeps the first images that fit into `max_bytes`.

    Nothing is evicted: an epoch visits every image once, so a full cache that
    replaced its oldest entries would replace each one just before its next use.
    """

    def __init__(self, source: Source, *, max_bytes: int) -> None:
        self._source = source
        self._free = max_bytes
        self._images: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> np.ndarray:
        image = self._images.get(index)
        if image is not None:
            return image
        image = self._source[index]
        image.setflags(write=False)
        with self._lock:
            if index not in self._images and image.nbytes <= self._free:
                self._images[index] = image
                self._free -= image.nbytes
        return image

    def name(self, index: int) -> str:
        """Name of the wrapped source."""
        return self._source.name(index)


class Subset:
    """Some images of a source, in the order of `indices`."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self._source = source
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._source[self._indices[index]]

    def name(self, index: int) -> str:
        """Name in the whole source."""
        return self._source.name(self._indices[index])


def spread(source: Source, count: int) -> Source:
    """`count` images evenly spread over a source; all of them for 0 or too many.

    Sorted files put a patient's slices side by side, so the first few would be one
    patient.

    Raises:
        InputError: If `count` is negative.
    """
    if count < 0:
        raise InputError(f"count = {count}: expected 0 (all images) or more")
    if count == 0 or count >= len(source):
        return source
    return Subset(source, [i * len(source) // count for i in range(count)])


class TfdsSource:
    """One split of a prepared TFDS folder in array_record format.

    Reads the feature `image`: unsigned integers go through `config.png_rescale`,
    signed ones and floats are physical values. Needs no TensorFlow.
    """

    def __init__(self, config: Data, split: Split) -> None:
        import tensorflow_datasets as tfds  # slow to import, needed only here

        self._label = f"config.data.path = {config.path!r}"
        if not (Path(config.path) / "dataset_info.json").is_file():
            raise InputError(f"{self._label}: no dataset_info.json in this folder")
        builder: Any = tfds.builder_from_directory(config.path)
        if split not in builder.info.splits:
            listing = ", ".join(builder.info.splits) or "none"
            raise InputError(f"{self._label}: no split {split!r}; it has {listing}")
        if "image" not in builder.info.features:
            raise InputError(f"{self._label}: no feature 'image' in this dataset")
        feature: Any = builder.info.features["image"]
        encoded = isinstance(feature, tfds.features.Image)
        uint16 = encoded and feature.np_dtype == np.uint16
        if uint16 and importlib.util.find_spec("cv2") is None:
            raise InputError(
                f"{self._label}: decoding its uint16 images needs OpenCV; install "
                "opencv-python-headless"
            )
        self._records = _open_records(builder, split, self._label)
        self._name = f"{builder.info.name}/{split}"
        self._rescale = config.png_rescale

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> np.ndarray:
        image = np.asarray(self._records[index]["image"])
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
        return f"{self._name}/{index:06d}"


def _open_records(builder: Any, split: Split, label: str) -> Any:
    try:
        return builder.as_data_source(split=split)
    except NotImplementedError as error:  # TFDS, of a format without random access
        raise InputError(
            f"{label}: not in array_record format, which random access needs; prepare "
            "it with file_format='array_record'"
        ) from error

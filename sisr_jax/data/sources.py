"""Where images come from: one small protocol, four kinds of source."""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sisr_jax.config import Data
from sisr_jax.data.folder import open_folder
from sisr_jax.data.phantoms.source import open_phantoms
from sisr_jax.data.splits import Split
from sisr_jax.errors import InputError

# Decoded images kept in memory, for each open source.
CACHE_BYTES = 2**30

# Of how many files a fingerprint contains a piece, and of what length.
_SAMPLES, _SAMPLE_BYTES = 256, 2**18


class Source(Protocol):
    """A finite, ordered collection of images in physical units."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray:
        """Image `index` as float32 `[height, width]`, before any window."""
        ...

    def name(self, index: int) -> str:
        """What tables and errors call the image; unique in the source."""
        ...


@runtime_checkable
class Detailed(Source, Protocol):
    """A source whose records keep more than pixels."""

    def details(self, index: int) -> dict[str, Any]:
        """Boxes, patient, spacing, geometry of image `index`, by name."""
        ...


def details(source: Source, index: int) -> dict[str, Any]:
    """What a record keeps beside its pixels; nothing for sources without records."""
    return source.details(index) if isinstance(source, Detailed) else {}


@runtime_checkable
class Stored(Source, Protocol):
    """A source whose images lie in files."""

    def files(self) -> Sequence[Path]:
        """The files, in the order of their images; one may be there repeatedly."""
        ...


def fingerprint(source: Source) -> str:
    """SHA-256 of what a source holds; another one once its images have changed.

    Covers the name of every image, their order, and the size of every file; of up to
    256 files, evenly spread, also 256 KiB of content. So images that were removed,
    added, renamed or put in another order are always noticed, and so are those that
    were replaced, unless they have the same size, byte for byte, and are a few among
    many. Where the folder lies does not matter, nor when its files were written.
    For 100,000 files it takes a few seconds.

    Args:
        source: An open source; procedural images have names alone.

    Returns:
        64 hexadecimal digits.

    Raises:
        InputError: If a file is no longer there.

    Examples:
        >>> from sisr_jax.config import files, parse
        >>> from sisr_jax.data import fingerprint, open_source, spread
        >>> config = parse(files.load("us_srgan:quicktest").to_dict()).data
        >>> source = open_source(config, "train", seed=0)
        >>> whole, part = fingerprint(source), fingerprint(spread(source, 2))
        >>> len(whole), whole == part
        (64, False)
    """
    digest = hashlib.sha256()
    for index in range(len(source)):
        digest.update(f"{source.name(index)}\0".encode(errors="surrogateescape"))
    files = list(dict.fromkeys(_files(source)))
    samples = {i * len(files) // _SAMPLES for i in range(_SAMPLES)}
    for number, path in enumerate(files):
        try:
            size = path.stat().st_size
            digest.update(b"%d\0" % size)
            if number in samples:
                with path.open("rb") as file:
                    file.seek(max(0, size - _SAMPLE_BYTES) // 2)
                    digest.update(file.read(_SAMPLE_BYTES))
        except OSError as error:
            raise InputError(f"{path}: cannot be opened ({error.strerror})") from error
    return digest.hexdigest()


def _files(source: Source) -> Sequence[Path]:
    return source.files() if isinstance(source, Stored) else ()


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

    Examples:
        >>> from sisr_jax.config import files, parse
        >>> from sisr_jax.data import open_source
        >>> config = parse(files.load("us_srgan:quicktest").to_dict()).data
        >>> source = open_source(config, "train", seed=0)
        >>> len(source) == config.num_phantoms[0], source[0].shape == config.shape
        (True, True)
        >>> source.name(0)
        'ultrasound_phantom_000000000'
    """
    if config.source == "folder":
        return CachedSource(open_folder(config, split), max_bytes=CACHE_BYTES)
    if config.source == "tfds":
        from sisr_jax.data.records import TfdsSource  # TFDS is slow to import

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

    def details(self, index: int) -> dict[str, Any]:
        """Details of the wrapped source."""
        return details(self._source, index)

    def files(self) -> Sequence[Path]:
        """Files of the wrapped source."""
        return _files(self._source)


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

    def details(self, index: int) -> dict[str, Any]:
        """Details in the whole source."""
        return details(self._source, self._indices[index])

    def files(self) -> Sequence[Path]:
        """Files of the whole source."""
        return _files(self._source)


class Mirrored:
    """Images of at least one size: smaller ones are continued by their mirror image.

    The original does this to its frames. The mirror stands on the last row and
    column, which are not doubled; the image stays in the middle. Details go by the
    old place of pixels and are left out.
    """

    def __init__(self, source: Source, shape: tuple[int, int]) -> None:
        self._source = source
        self._shape = shape

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> np.ndarray:
        image = self._source[index]
        missing = np.maximum(np.subtract(self._shape, image.shape), 0)
        before = missing // 2
        pads = np.stack([before, missing - before], axis=-1)
        return np.pad(image, pads, mode="reflect")

    def name(self, index: int) -> str:
        """Name of the wrapped source."""
        return self._source.name(index)

    def files(self) -> Sequence[Path]:
        """Files of the wrapped source."""
        return _files(self._source)


def spread(source: Source, count: int) -> Source:
    """`count` images evenly spread over a source; all of them for 0 or too many.

    Sorted files put a patient's slices side by side, so the first few would be one
    patient.

    Raises:
        InputError: If `count` is negative.

    Examples:
        >>> from sisr_jax.config import files, parse
        >>> from sisr_jax.data import open_source, spread
        >>> config = parse(files.load("us_srgan:quicktest").to_dict()).data
        >>> source = open_source(config, "train", seed=0)
        >>> few = spread(source, 2)
        >>> len(source), few.name(0) == source.name(0), few.name(1) == source.name(4)
        (8, True, True)
    """
    if count < 0:
        raise InputError(f"count = {count}: expected 0 (all images) or more")
    if count == 0 or count >= len(source):
        return source
    return Subset(source, [i * len(source) // count for i in range(count)])

"""TIFF: 8- and 16-bit integers or float32, grey, each page an image.

Unsigned values are stored ones, as in a PNG (`config.data.png_rescale` applies);
signed and float values are physical.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sisr_jax.data.formats.headers import (
    MAX_IMAGES,
    Decoded,
    Header,
    check_bounds,
    to_physical,
)
from sisr_jax.errors import InputError

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Bits and sample format.
_TYPES = {(8, 1): "uint8", (16, 1): "uint16", (16, 2): "int16", (32, 3): "float32"}
_PHOTOMETRIC = {0: "inverted (white is zero)", 2: "RGB", 3: "palette", 6: "YCbCr"}

_BITS, _SAMPLES, _SAMPLE_FORMAT = 258, 277, 339
_PHOTOMETRIC_TAG, _ORIENTATION = 262, 274
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_STRIPS, _TILES = (273, 279), (324, 325)  # offsets and byte counts


def check_tiff(path: Path) -> Header:
    """Header of a grey TIFF whose pages are all alike; only tags are read.

    Raises:
        InputError: If it is not a TIFF, a page is not grey, of another type, too
            large, cut off or different from the first, or there are too many.
        Exception: Of the decoder, if the tags are damaged.
    """
    with path.open("rb") as file:
        if file.read(4) not in _SIGNATURES:
            raise InputError(f"{path}: not a TIFF file")
    with Image.open(path, formats=["TIFF"]) as image:
        first = _check_page(path, image)
        count = 1
        while _seek(image, count):
            page = _check_page(path, image)
            if page != first:
                raise InputError(
                    f"{path}: page {count} is {page.shape} {page.dtype}, page 0 is "
                    f"{first.shape} {first.dtype}; expected equal pages"
                )
            count += 1
            check_bounds(path, first.shape, count)
    return first._replace(count=count)


def read_tiff(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[Decoded]:
    """Pages of a TIFF; unsigned values become `value * slope + intercept`.

    Raises:
        InputError: If a page is unfit or absent.
        Exception: Of the decoder, if the file is damaged.
    """
    with Image.open(path, formats=["TIFF"]) as image:
        for index in indices:
            if index >= MAX_IMAGES or not _seek(image, index):
                raise InputError(f"{path}: no page {index}")
            header = _check_page(path, image)
            yield to_physical(np.asarray(image), header, path=path, rescale=rescale)


def _seek(image: Image.Image, page: int) -> bool:
    try:
        image.seek(page)
    except EOFError:
        return False
    return True


def _check_page(path: Path, image: Any) -> Header:
    tags = image.tag_v2
    photometric, samples = tags.get(_PHOTOMETRIC_TAG), tags.get(_SAMPLES, 1)
    if photometric != 1 or samples != 1:
        name = _PHOTOMETRIC.get(photometric, f"photometric {photometric}")
        name = f"{samples}-channel grey" if photometric == 1 else name
        raise InputError(f"{path}: {name} TIFF, expected grey with black as zero")
    kind = tags.get(_BITS, (1,))[0], tags.get(_SAMPLE_FORMAT, (1,))[0]
    if kind not in _TYPES:
        raise InputError(
            f"{path}: TIFF of {kind[0]}-bit values in sample format {kind[1]}, "
            f"expected {', '.join(_TYPES.values())}"
        )
    if tags.get(_ORIENTATION, 1) != 1:  # which decoders treat differently
        raise InputError(
            f"{path}: TIFF in orientation {tags[_ORIENTATION]}, expected 1 (upright)"
        )
    width, height = image.size
    check_bounds(path, (height, width))
    _check_extents(path, tags)
    dtype = _TYPES[kind]
    return Header("TIFF", (height, width), dtype, stored=dtype.startswith("u"))


def _check_extents(path: Path, tags: Any) -> None:
    """Refuses strips or tiles that end behind the file, and absurd tiles."""
    if _TILE_WIDTH in tags or _TILE_HEIGHT in tags:
        check_bounds(path, (tags.get(_TILE_HEIGHT, 0), tags.get(_TILE_WIDTH, 0)))
    offsets, counts = _TILES if _TILES[0] in tags else _STRIPS
    ends = [
        start + length
        for start, length in zip(
            tags.get(offsets, ()), tags.get(counts, ()), strict=False
        )
    ]
    size = path.stat().st_size
    if not ends or max(ends) > size:
        raise InputError(
            f"{path}: truncated TIFF, {size} bytes for pixels that end at "
            f"{max(ends, default=0)}"
        )

"""TIFF: integers of 8 and 16 bits and floats, grey, each page an image.

Unsigned values are stored ones, as in a PNG (`config.data.png_rescale` applies);
signed and float values are physical. Uncompressed pixels are read here, in both byte
orders; Pillow decompresses others. A stack of ImageJ may have one page for all of its
images, which then lie one after the other.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from sisr_jax.data.formats.headers import Decoded, Header, check_bounds, to_physical
from sisr_jax.data.formats.tiff_strips import (
    check_extents,
    plane_bytes,
    read_plane,
    read_uncompressed,
)
from sisr_jax.data.formats.tiff_tags import Page, Tag, Variant, read_pages
from sisr_jax.errors import InputError

# By bits and sample format.
_TYPES = {
    (8, 1): "uint8",
    (16, 1): "uint16",
    (16, 2): "int16",
    (16, 3): "float16",
    (32, 3): "float32",
    (64, 3): "float64",
}
_BY_PILLOW = ("uint8", "uint16", "int16", "float32")
# Without loss, and decompressing to no more than its strip.
_CODECS = {5: "LZW", 8: "deflate", 32946: "deflate", 32773: "PackBits", 50000: "Zstd"}
_PHOTOMETRIC = {0: "inverted (white is zero)", 2: "RGB", 3: "palette", 6: "YCbCr"}
_IMAGEJ = re.compile(r"^ImageJ=.*\bimages=(\d+)", re.DOTALL)
_TRUNCATED = '"truncated": true'  # of tifffile: a page for all images, too
# What libtiff decompresses is in the byte order of the machine.
_NATIVE = {
    "I;16BS": "I;16NS",
    "I;16S": "I;16NS",
    "F;32BF": "F;32NF",
    "F;32F": "F;32NF",
}


def check_tiff(path: Path) -> Header:
    """Header of a grey TIFF whose pages are all alike; only tags are read.

    Raises:
        InputError: If it is not a TIFF, a page is not grey, of another type, too
            large, cut off or different from the first, or there are too many.
    """
    with path.open("rb") as file:
        variant, pages = read_pages(path, file)
        page = next(pages)
        first = _check_page(path, variant, page)
        count = 1
        for count, other in enumerate(pages, start=2):
            header = _check_page(path, variant, other)
            if header != first:
                raise InputError(
                    f"{path}: page {count - 1} is {header.shape} {header.dtype}, page "
                    f"0 is {first.shape} {first.dtype}; expected equal pages"
                )
            check_bounds(path, first.shape, count)
        return first._replace(count=_check_stack(path, page, first, count))


def write_tiff(path: Path, pages: np.ndarray) -> None:
    """Writes a grey TIFF without compression.

    Args:
        path: File to write.
        pages: uint8, uint16 or float32 `[pages, height, width]`.
    """
    first, *others = [Image.fromarray(page) for page in pages]
    first.save(path, format="TIFF", save_all=True, append_images=others)


def read_tiff(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[Decoded]:
    """Pages of a TIFF; unsigned values become `value * slope + intercept`.

    Raises:
        InputError: If a page is unfit or absent.
        Exception: Of the decoder, if the file is damaged.
    """
    with path.open("rb") as file:
        variant, pages = read_pages(path, file)
        seen = [next(pages)]
        for index in indices:
            seen += itertools.islice(pages, max(index + 1 - len(seen), 0))
            page = seen[min(index, len(seen) - 1)]
            header = _check_page(path, variant, page)
            if index < len(seen):
                values = _read_page(path, file, variant, page, header, index)
            elif index < _check_stack(path, page, header, len(seen)):
                values = read_plane(file, variant, page, header, index)
            else:
                raise InputError(f"{path}: no page {index}, it has {len(seen)}")
            yield to_physical(values, header, path=path, rescale=rescale)


def _check_page(path: Path, variant: Variant, page: Page) -> Header:
    photometric, samples = page.first(Tag.PHOTOMETRIC), page.first(Tag.SAMPLES, 1)
    if photometric != 1 or samples != 1:
        name = _PHOTOMETRIC.get(photometric, f"photometric {photometric}")
        name = f"{samples}-channel grey" if photometric == 1 else name
        raise InputError(f"{path}: {name} TIFF, expected grey with black as zero")
    kind = page.first(Tag.BITS, 1), page.first(Tag.SAMPLE_FORMAT, 1)
    if kind not in _TYPES:
        raise InputError(
            f"{path}: TIFF of {kind[0]}-bit values in sample format {kind[1]}, "
            f"expected {', '.join(_TYPES.values())}"
        )
    for tag in (Tag.ORIENTATION, Tag.FILL_ORDER):  # which decoders treat differently
        if page.first(tag, 1) != 1:
            raise InputError(
                f"{path}: TIFF with {tag.name.lower()} {page.first(tag)}, expected 1"
            )
    shape = page.first(Tag.HEIGHT), page.first(Tag.WIDTH)
    check_bounds(path, shape)
    dtype = _TYPES[kind]
    codec = page.first(Tag.COMPRESSION, 1)
    compressed = codec != 1
    if compressed and codec not in _CODECS:
        raise InputError(
            f"{path}: TIFF of compression {codec}, expected none, "
            f"{', '.join(dict.fromkeys(_CODECS.values()))}"
        )
    if compressed and (dtype not in _BY_PILLOW or variant == Variant(">", big=True)):
        what = f"big-endian BigTIFF of {dtype}" if variant.big else dtype
        raise InputError(f"{path}: compressed TIFF of {what}, expected uncompressed")
    check_extents(path, page, shape, np.dtype(dtype), compressed=compressed)
    return Header("TIFF", shape, dtype, stored=dtype.startswith("u"))


def _check_stack(path: Path, page: Page, header: Header, count: int) -> int:
    """How many images a file has whose pages are `count`."""
    found = _IMAGEJ.match(page.description)
    images = int(found[1]) if found else count
    if _TRUNCATED in page.description or any(
        page.first(tag, 1) > 1 for tag in (Tag.IMAGE_DEPTH, Tag.METAMORPH)
    ):
        raise InputError(f"{path}: TIFF of several planes in a page, expected one")
    if images in (count, 1):
        return count
    first, size = page.first(Tag.STRIP_OFFSETS), path.stat().st_size
    end = first + images * plane_bytes(header)
    if count != 1 or page.first(Tag.COMPRESSION, 1) != 1 or not 0 < first < end <= size:
        raise InputError(
            f"{path}: ImageJ stack of {images} images in {count} pages, {size} bytes; "
            "expected a page for each, or all of them uncompressed behind the first"
        )
    check_bounds(path, header.shape, images)
    return images


def _read_page(
    path: Path, file: BinaryIO, variant: Variant, page: Page, header: Header, index: int
) -> np.ndarray:
    if page.first(Tag.COMPRESSION, 1) == 1:
        return read_uncompressed(file, variant, page, header)
    with Image.open(path, formats=["TIFF"]) as image:
        image.seek(index)
        tiles: list[Any] = image.tile
        image.tile = [
            tile._replace(
                args=(_NATIVE.get(tile.args[0], tile.args[0]), *tile.args[1:])
            )
            if tile.codec_name == "libtiff"
            else tile
            for tile in tiles
        ]
        return np.asarray(image)

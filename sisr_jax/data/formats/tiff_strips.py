"""Where the pixels of a TIFF page lie, and the reading of uncompressed ones."""

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sisr_jax.data.formats.headers import Header, check_bounds
from sisr_jax.data.formats.tiff_tags import Page, Tag, Variant
from sisr_jax.errors import InputError


def check_extents(
    path: Path, page: Page, shape: tuple[int, int], dtype: np.dtype, *, compressed: bool
) -> None:
    """Refuses a page whose pixels are not all in the file, and absurd tiles.

    Args:
        path: The file.
        page: Its tags.
        shape: Of its image.
        dtype: Of a pixel.
        compressed: Whether the lengths of strips and tiles are free.

    Raises:
        InputError: If a strip or tile ends behind the file, they are too few, or a
            tile is larger than any image.
    """
    block = _block(page, shape)
    check_bounds(path, block)
    places = _places(page)
    size = path.stat().st_size
    last = max((start + length for start, length in places), default=0)
    if not places or last > size:
        raise InputError(
            f"{path}: truncated TIFF, {size} bytes for pixels that end at {last}"
        )
    needed = math.prod(-(-n // b) for n, b in zip(shape, block, strict=True))
    if len(places) != needed:
        raise InputError(
            f"{path}: TIFF page of {len(places)} strips or tiles, expected {needed}"
        )
    if not compressed:
        lengths = [n * dtype.itemsize for n in _block_sizes(page, shape)]
        if any(got < n for (_, got), n in zip(places, lengths, strict=True)):
            raise InputError(f"{path}: damaged TIFF, a strip is too short")


def read_uncompressed(
    file: BinaryIO, variant: Variant, page: Page, header: Header
) -> np.ndarray:
    """The image of a page, put together from its strips or tiles.

    Args:
        file: The file.
        variant: How its numbers lie.
        page: Tags of an uncompressed page, see `check_extents`.
        header: Of the page.

    Returns:
        `[height, width]` in the byte order of the file.
    """
    height, width = header.shape
    rows, columns = _block(page, header.shape)
    dtype = np.dtype(header.dtype).newbyteorder(variant.order)
    down, across = -(-height // rows), -(-width // columns)
    image = np.zeros((down * rows, across * columns), dtype)
    sizes = _block_sizes(page, header.shape)
    for i, ((start, _), size) in enumerate(zip(_places(page), sizes, strict=True)):
        file.seek(start)
        values = np.frombuffer(file.read(size * dtype.itemsize), dtype)
        top, left = i // across * rows, i % across * columns
        image[top : top + size // columns, left : left + columns] = values.reshape(
            -1, columns
        )
    return image[:height, :width]


def read_plane(
    file: BinaryIO, variant: Variant, page: Page, header: Header, index: int
) -> np.ndarray:
    """Image `index` of those that lie one after the other behind the first page.

    Args:
        file: The file.
        variant: How its numbers lie.
        page: Tags of its uncompressed first page.
        header: Of the page.
        index: Which image.

    Returns:
        `[height, width]` in the byte order of the file.
    """
    dtype = np.dtype(header.dtype).newbyteorder(variant.order)
    file.seek(page.first(Tag.STRIP_OFFSETS) + index * plane_bytes(header))
    values = np.frombuffer(file.read(plane_bytes(header)), dtype)
    return values.reshape(header.shape)


def plane_bytes(header: Header) -> int:
    """Length of an uncompressed image."""
    return math.prod(header.shape) * np.dtype(header.dtype).itemsize


def _tiled(page: Page) -> bool:
    return Tag.TILE_OFFSETS in page.numbers


def _places(page: Page) -> list[tuple[int, int]]:
    """Offset and length of each strip or tile."""
    starts, lengths = (
        (Tag.TILE_OFFSETS, Tag.TILE_BYTES)
        if _tiled(page)
        else (Tag.STRIP_OFFSETS, Tag.STRIP_BYTES)
    )
    numbers = page.numbers
    return list(zip(numbers.get(starts, ()), numbers.get(lengths, ()), strict=False))


def _block(page: Page, shape: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a tile, or of a strip but the last one."""
    if _tiled(page):
        return page.first(Tag.TILE_HEIGHT), page.first(Tag.TILE_WIDTH)
    return min(page.first(Tag.ROWS_PER_STRIP, shape[0]), shape[0]), shape[1]


def _block_sizes(page: Page, shape: tuple[int, int]) -> list[int]:
    """Pixels in each strip or tile; the last strip may be short, tiles are whole."""
    rows, columns = _block(page, shape)
    down, across = -(-shape[0] // rows), -(-shape[1] // columns)
    if _tiled(page):
        return [rows * columns] * (down * across)
    return [min(rows, shape[0] - i * rows) * columns for i in range(down)]

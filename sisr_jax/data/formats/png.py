"""PNG: 8- and 16-bit grey, and grey images that were saved in colour."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.ExifTags import Base

from sisr_jax.data.formats.grey import grey_of
from sisr_jax.data.formats.headers import Decoded, Header, check_bounds, to_physical
from sisr_jax.errors import InputError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_GREY, _RGB, _RGBA = 0, 2, 6
_COLOURS = {_RGB: "RGB", 3: "palette", 4: "grey with alpha", _RGBA: "RGBA"}


def check_png(path: Path) -> Header:
    """Header of an 8- or 16-bit grey PNG that ends where it should.

    RGB and RGBA of 8 bits pass; whether all of their pixels are grey, only decoding
    tells.

    Raises:
        InputError: If it is not a PNG, of another kind or depth, or too large.
        Exception: Of the decoder, if it is truncated.
    """
    with path.open("rb") as file:
        head = file.read(26)
        file.seek(max(path.stat().st_size - len(_END), 0))
        end = file.read()
    if len(head) < 26 or head[:8] != _SIGNATURE or head[12:16] != b"IHDR":
        raise InputError(f"{path}: not a PNG file, or cut off in its header")
    width, height, depth, colour = struct.unpack(">IIBB", head[16:26])
    depths = {_GREY: (8, 16), _RGB: (8,), _RGBA: (8,)}.get(colour, ())
    if depth not in depths:
        name = _COLOURS.get(colour, f"colour type {colour}") if colour else "grey"
        raise InputError(
            f"{path}: {depth}-bit {name} PNG, expected 8- or 16-bit grey, or 8-bit RGB"
        )
    check_bounds(path, (height, width))
    if end != _END:  # cut off, or, harmlessly, followed by something else
        with Image.open(path, formats=["PNG"]) as image:
            image.verify()
    return Header("PNG", (height, width), f"uint{depth}", stored=True)


def write_png(path: Path, stored: np.ndarray) -> None:
    """Writes a grey PNG of 8 or 16 bits.

    Args:
        path: File to write.
        stored: uint8 or uint16 `[height, width]`.
    """
    Image.fromarray(stored).save(path, format="PNG")


def read_png(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[Decoded]:
    """Pixels of a grey PNG as `value * slope + intercept`, for each index 0.

    Raises:
        InputError: As `check_png`, or if a pixel is coloured or transparent, the
            image is turned, or there are several.
        Exception: Of the decoder, if the file is damaged.
    """
    header = check_png(path)
    for _ in indices:
        with Image.open(path, formats=["PNG"]) as image:
            if image.size != header.shape[::-1]:  # a second header chunk
                raise InputError(f"{path}: two headers of different size")
            frames = getattr(image, "n_frames", 1)
            if frames != 1:
                raise InputError(f"{path}: animated PNG of {frames} images, expected 1")
            orientation = image.getexif().get(Base.Orientation, 1)
            if orientation != 1:
                raise InputError(
                    f"{path}: PNG in orientation {orientation}, expected 1 (upright)"
                )
            values = np.asarray(image)
            transparent = image.info.get("transparency")
        if _are_hidden(values, transparent).any():
            raise InputError(f"{path}: PNG with transparent pixels")
        if values.ndim == 3:
            values = grey_of(values[..., :3], path=path)
        yield to_physical(values, header, path=path, rescale=rescale)


def _are_hidden(
    values: np.ndarray, transparent: int | tuple[int, ...] | None
) -> np.ndarray:
    """Which pixels a viewer does not show: by their alpha, or (tRNS) their value."""
    if values.ndim == 3 and values.shape[-1] == 4:
        return values[..., 3] < 255
    if transparent is None:
        return np.zeros((), bool)
    hidden = values == np.asarray(transparent)
    return hidden.all(-1) if values.ndim == 3 else hidden

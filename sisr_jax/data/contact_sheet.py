"""A picture of many small images with their names."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from etils import epath
from PIL import Image, ImageDraw

from sisr_jax.storage.files import write_whole

_COLUMNS, _TILE, _CAPTION = 6, 160, 16
_LETTERS = 26  # that fit below a tile


class Example(NamedTuple):
    """A small image.

    Attributes:
        name: What stands below it.
        group: Images of one group share a grey scale.
        values: float32 `[height, width]`, at most a tile in size.
    """

    name: str
    group: str
    values: np.ndarray


def shrink(image: np.ndarray) -> np.ndarray:
    """An image averaged down to the size of a tile; a smaller one is kept.

    Args:
        image: float32 `[height, width]`.
    """
    scale = min(_TILE / max(image.shape), 1)
    height, width = (max(round(n * scale), 1) for n in image.shape)
    small = Image.fromarray(image).resize((width, height), Image.Resampling.BOX)
    return np.asarray(small)


def save_contact_sheet(path: Path, examples: Sequence[Example]) -> None:
    """Draws examples in rows; black and white are percentiles 1 and 99 of a group.

    Args:
        path: PNG file to write.
        examples: At least one.

    Raises:
        StorageError: Naming the file, if the storage fails.
    """
    windows = {
        group: _window([e.values for e in examples if e.group == group])
        for group in dict.fromkeys(e.group for e in examples)
    }
    top = _CAPTION * len(windows)
    rows = -(-len(examples) // _COLUMNS)
    size = _COLUMNS * _TILE, top + rows * (_TILE + _CAPTION)
    sheet = Image.new("L", size)
    draw = ImageDraw.Draw(sheet)
    for i, (group, (low, high)) in enumerate(windows.items()):
        text = f"{group}: black {low:.6g}, white {high:.6g}"
        draw.text((2, _CAPTION * i + 2), text, fill=255)
    for i, example in enumerate(examples):
        low, high = windows[example.group]
        grey = np.clip((example.values - low) / (high - low), 0, 1) * 255
        left, upper = i % _COLUMNS * _TILE, top + i // _COLUMNS * (_TILE + _CAPTION)
        sheet.paste(Image.fromarray(np.rint(grey).astype(np.uint8)), (left, upper))
        # Fonts without an accented letter would refuse the whole name.
        name = example.name[-_LETTERS:].encode("ascii", "replace").decode()
        draw.text((left + 2, upper + _TILE + 2), name, fill=255)
    file = io.BytesIO()
    sheet.save(file, format="PNG")
    write_whole(epath.Path(path), file.getvalue())


def _window(images: Sequence[np.ndarray]) -> tuple[float, float]:
    values = np.concatenate([image.ravel() for image in images]).astype(np.float64)
    low, high = np.percentile(values, (1, 99))
    return float(low), float(high if high > low else low + 1)

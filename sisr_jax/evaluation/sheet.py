"""Rows of panels on one sheet, with names, captions and bars, as a PNG.

Panels are placed pixel by pixel: nothing is scaled. The 251 colours of the file are
fixed, which halves its size: 184 greys, 64 steps of `inferno` and three of frames.
"""

import io
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sisr_jax.evaluation.lettering import drawable
from sisr_jax.storage.files import write_whole

# Sizes in screen pixels.
_MARGIN, _GAP, _LABEL, _LINE = 12, 6, 20, 16
_BAR, _BAR_TEXT, _TITLE_LETTER = 10, 74, 5.2
_RESOLUTION = 100  # dots per inch: of letters only

_GREYS, _STEPS = 184, 64
_WHITE = _GREYS - 1
_FRAMES = ((242, 183, 1), (0, 165, 207), (120, 190, 33))

FRAMES = tuple(range(_GREYS + _STEPS, _GREYS + _STEPS + len(_FRAMES)))


def grey(levels: np.ndarray) -> np.ndarray:
    """Colours uint8 of levels: black up to 0, white from 1 on."""
    return np.rint(_WHITE * np.clip(levels, 0.0, 1.0)).astype(np.uint8)


def heat(levels: np.ndarray) -> np.ndarray:
    """Colours uint8 of levels: from dark to bright, `inferno`."""
    steps = np.rint((_STEPS - 1) * np.clip(levels, 0.0, 1.0))
    return (_GREYS + steps).astype(np.uint8)


class Row(NamedTuple):
    """Panels that share a window.

    Attributes:
        label: What they show, at their left.
        panels: Colours uint8 `[height, width]`, of `grey`, `heat` and `FRAMES`; None
            leaves the place empty.
        captions: Below the panels, one for each.
        ramp: Colours uint8 `[num_colours]` of the bar, from the lowest to the highest.
        ticks: What the lowest, the middle and the highest colour mean.
    """

    label: str
    panels: Sequence[np.ndarray | None]
    captions: Sequence[str]
    ramp: np.ndarray
    ticks: Sequence[str]


def draw_sheet(
    path: epath.PathLike, blocks: list[list[Row]], columns: list[str], *, title: str
) -> None:
    """Draws blocks of rows below each other and saves them.

    Args:
        path: PNG file to write.
        blocks: Rows of each block; the largest panel makes room for all.
        columns: Names above the panels of each block.
        title: Above everything, and in the file.
    """
    # Names of files may be no text.
    title = title.encode(errors="backslashreplace").decode()
    canvas, letters = _compose(blocks, columns, title)
    write_whole(epath.Path(path), _png(canvas, letters, title))


class _Letters(NamedTuple):
    """Some text; `place` is its anchor, column and row of the canvas."""

    text: str
    place: tuple[float, float]
    options: dict[str, Any]


def _compose(
    blocks: list[list[Row]], columns: list[str], title: str
) -> tuple[np.ndarray, list[_Letters]]:
    """The colours of the canvas `[height, width]`, and what is written on it."""
    panels = [panel for block in blocks for row in block for panel in row.panels]
    sizes = [panel.shape for panel in panels if panel is not None]
    height, width = (max(lengths) for lengths in zip(*sizes, strict=True))
    left = _MARGIN + _LABEL
    lefts = [left + i * (width + _GAP) for i in range(len(columns) + 1)]
    total = lefts[-1] + _BAR + _BAR_TEXT
    lines = textwrap.wrap(drawable(title), int((total - left) / _TITLE_LETTER))
    above = {"va": "top", "size": 7, "color": "0.3"}
    letters = [_Letters("\n".join(lines), (left, _MARGIN), above)]
    top = _MARGIN + _LINE * len(lines)
    parts: list[tuple[int, int, np.ndarray]] = []
    for block in blocks:
        top += _LINE
        letters += [
            _Letters(name, (x + width / 2, top - 4), {"ha": "center", "size": 8})
            for name, x in zip(columns, lefts[:-1], strict=True)
        ]
        for row in block:
            parts += [
                (top, x, panel)
                for x, panel in zip(lefts[:-1], row.panels, strict=True)
                if panel is not None
            ]
            bar = row.ramp[
                np.linspace(len(row.ramp) - 1, 0, height).round().astype(int)
            ]
            parts.append((top, lefts[-1], np.repeat(bar[:, None], _BAR, axis=1)))
            letters += _beside(row, top, height, width, lefts)
            top += height + (_LINE if any(row.captions) else 0) + _GAP
        top += _GAP
    canvas = np.full((top, total), _WHITE, np.uint8)
    for y, x, part in parts:
        canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    return canvas, letters


def _beside(
    row: Row, top: int, height: int, width: int, lefts: list[int]
) -> list[_Letters]:
    """What is written around the panels of a row."""
    label = {"rotation": 90, "ha": "right", "va": "center", "size": 8}
    letters = [_Letters(row.label, (lefts[0] - 4, top + height / 2), label)]
    below = {"ha": "center", "va": "top", "size": 7, "color": "0.15"}
    letters += [
        _Letters(caption, (x + width / 2, top + height + 2), below)
        for x, caption in zip(lefts[:-1], row.captions, strict=True)
    ]
    right = lefts[-1] + _BAR + 4
    places = (("bottom", height), ("center", height / 2), ("top", 0))
    return letters + [
        _Letters(tick, (right, top + down), {"va": va, "size": 7})
        for tick, (va, down) in zip(row.ticks, places, strict=True)
    ]


def _png(canvas: np.ndarray, letters: list[_Letters], title: str) -> bytes:
    from matplotlib import colormaps

    # Only where the sheet is white, so that no panel is touched.
    written = np.minimum(_rendered(canvas.shape, letters), canvas)
    image = Image.fromarray(np.where(canvas == _WHITE, written, canvas))
    greys = np.linspace(0.0, 1.0, _GREYS)[:, None].repeat(3, axis=1)
    steps = colormaps["inferno"](np.linspace(0.0, 1.0, _STEPS))[:, :3]
    colours = np.rint(255 * np.concatenate([greys, steps])).astype(np.uint8)
    image.putpalette(colours.tobytes() + bytes(sum(_FRAMES, ())))
    information = PngInfo()
    information.add_text("Title", title)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=information)
    return buffer.getvalue()


def _rendered(shape: tuple[int, ...], letters: list[_Letters]) -> np.ndarray:
    """Grey colours of what is written on an empty sheet."""
    # Slow to import, and of use nowhere else. No pyplot: it keeps global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = shape
    size = (width / _RESOLUTION, height / _RESOLUTION)
    figure = Figure(figsize=size, dpi=_RESOLUTION, facecolor="white")
    for text, (x, y), options in letters:
        text = drawable(text)
        # As it is: a name of a file may hold what else would be a formula.
        figure.text(x / width, 1 - y / height, text, parse_math=False, **options)
    sheet = FigureCanvasAgg(figure)
    sheet.draw()
    return grey(np.asarray(sheet.buffer_rgba())[:height, :width, 0] / 255)

"""One picture that compares methods: a row for each, a column for each image."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from sisr_jax.metrics import psnr, ssim
from sisr_jax.storage.files import write_whole

_MAX_BYTES = 1_000_000
_RESOLUTIONS = (200, 150, 120, 100, 75, 50)  # dots per inch, tried in this order
_ERROR_PERCENTILE = 99.5

# Sizes in inches.
_WIDEST_TILE, _WIDEST_ROW = 1.8, 12.0
_MARGIN, _LABEL, _CAPTION, _GAP = 0.12, 0.2, 0.2, 0.05
_TITLE_LINE, _TITLE_LETTER = 0.13, 0.055
_BAR, _BAR_TEXT = 0.09, 0.45


class _Layout(NamedTuple):
    """Where the tiles are, for `Figure.add_axes`."""

    num_rows: int
    num_columns: int
    tile_width: float
    tile_height: float
    title_lines: int

    def size(self) -> tuple[float, float]:
        """Width and height of the figure in inches."""
        width = self._left(self.num_columns) + _GAP + _BAR + _BAR_TEXT
        return width, self._top(self.num_rows) + _MARGIN

    def tile(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Rectangle of one image."""
        place = self._left(column), self._top(row)
        return self._rectangle(*place, self.tile_width, self.tile_height)

    def title(self) -> tuple[float, float]:
        """Top left corner of the title."""
        left, bottom, _, _ = self._rectangle(self._left(0), _MARGIN, 0.0, 0.0)
        return left, bottom

    def bar(self, row: int) -> tuple[float, float, float, float]:
        """Rectangle of a colour bar to the right of a row."""
        left = self._left(self.num_columns) + _GAP
        return self._rectangle(left, self._top(row), _BAR, self.tile_height)

    def _left(self, column: int) -> float:
        return _MARGIN + _LABEL + column * (self.tile_width + _GAP)

    def _top(self, row: int) -> float:
        title = (self.title_lines + 0.5) * _TITLE_LINE
        return _MARGIN + title + row * (self.tile_height + _CAPTION)

    def _rectangle(
        self, left: float, top: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        whole, high = self.size()
        return left / whole, 1 - (top + height) / high, width / whole, height / high


def comparison_figure(
    path: epath.PathLike,
    rows: Mapping[str, np.ndarray],
    hr: np.ndarray,
    *,
    title: str,
    display: tuple[float, float] = (0.0, 1.0),
    equalise: bool = False,
) -> None:
    """Draws methods against the truth and saves a PNG of at most 1 MB.

    Below the given rows stand the truth and the absolute error of the last
    given row. All images share one grey scale, `display`; the errors share another
    scale that ends at their 99.5th percentile, as its bar says. Images narrower
    than the truth show the acquired columns side by side, at their own width.
    Under an estimate stand its PSNR and SSIM, under an error its mean, all
    measured after clipping to [0, 1].

    Args:
        path: PNG file to write.
        rows: Images `[num_images, height, width, 1]` by the name of their row,
            from top to bottom; all but the last may be acquired columns, narrower.
        hr: The truth, `[num_images, height, width, 1]`, in [0, 1], at
            least 11 pixels wide and high.
        title: Above the images and in the file: what was measured, by which protocol.
        display: Values shown as black and as white; the scores do not depend on it.
        equalise: Shows grey levels at their rank among those of the truth.

    Raises:
        ValueError: If there are no rows, or one has other images than the truth.
    """
    # Slow to import, and of use nowhere else. No pyplot: it keeps global state.
    from matplotlib.figure import Figure

    if not rows:
        raise ValueError("rows = {}: expected at least one method to draw")
    for name, images in rows.items():
        _check_shape(name, images, hr, narrower=name != list(rows)[-1])
    num_images, height, width = hr.shape[:3]
    tile_width = min(_WIDEST_TILE, _WIDEST_ROW / num_images)
    title = textwrap.fill(title, int(num_images * tile_width / _TITLE_LETTER))
    strips = _strips(rows, hr, display)
    if equalise:
        strips = _equalised(strips, hr)
    layout = _Layout(
        num_rows=len(strips),
        num_columns=num_images,
        tile_width=tile_width,
        tile_height=tile_width * height / width,
        title_lines=title.count("\n") + 1,
    )
    figure = Figure(figsize=layout.size())
    left, top = layout.title()
    figure.text(left, top, title, fontsize=7, color="0.3", va="top")
    for row, strip in enumerate(strips):
        _draw_strip(figure, layout, row, strip, full_width=width)
    truth, error = len(strips) - 2, len(strips) - 1
    end = "rank" if equalise else f"{display[1]:.2g}"
    _draw_bar(figure, layout.bar(truth), strips[truth], highest=end)
    highest = f"\N{GREATER-THAN OR EQUAL TO}{strips[error].highest:.2g}"
    _draw_bar(figure, layout.bar(error), strips[error], highest=highest)
    _save(figure, epath.Path(path), title.replace("\n", " "))


class _Strip(NamedTuple):
    """One row of the figure; first and last colour are `lowest` and `highest`."""

    label: str
    images: np.ndarray
    captions: Sequence[str]
    colours: str
    lowest: float
    highest: float


def _strips(
    rows: Mapping[str, np.ndarray], hr: np.ndarray, display: tuple[float, float]
) -> list[_Strip]:
    strips = [
        _Strip(name, images, _captions(images, hr), "gray", *display)
        for name, images in rows.items()
    ]
    name, estimate = list(rows.items())[-1]
    strips.append(_Strip("HR", hr, [""] * len(hr), "gray", *display))
    error = np.abs(np.clip(estimate, 0.0, 1.0) - hr)
    # The largest errors are few; a scale up to them would show the rest as black.
    highest = max(float(f"{np.percentile(error, _ERROR_PERCENTILE):.1e}"), 1e-3)
    means = [f"mean {each.mean():.4f}" for each in error]
    strips.append(_Strip(f"|{name} - HR|", error, means, "inferno", 0.0, highest))
    return strips


def _equalised(strips: list[_Strip], hr: np.ndarray) -> list[_Strip]:
    """Maps grey rows through the cumulative histogram of the truth."""
    levels = np.quantile(hr, np.linspace(0.0, 1.0, 257))
    ranks = np.linspace(0.0, 1.0, 257)
    return [
        strip._replace(
            images=np.interp(strip.images, levels, ranks), lowest=0.0, highest=1.0
        )
        if strip.colours == "gray"
        else strip
        for strip in strips
    ]


def _captions(images: np.ndarray, hr: np.ndarray) -> list[str]:
    if images.shape != hr.shape:
        return [f"{images.shape[2]} of {hr.shape[2]} columns"] * len(hr)
    images = np.clip(images, 0.0, 1.0)
    decibels, similarity = np.asarray(psnr(images, hr)), np.asarray(ssim(images, hr))
    return [f"{p:.2f} dB   {s:.3f}" for p, s in zip(decibels, similarity, strict=True)]


def _draw_strip(
    figure: Any, layout: _Layout, row: int, strip: _Strip, *, full_width: int
) -> None:
    height, width = strip.images.shape[1:3]
    margin = (full_width - width) / 2
    for column, (image, caption) in enumerate(
        zip(strip.images, strip.captions, strict=True)
    ):
        axes = figure.add_axes(layout.tile(row, column))
        axes.set_axis_off()
        axes.imshow(
            image[..., 0],
            cmap=strip.colours,
            vmin=strip.lowest,
            vmax=strip.highest,
            extent=(margin, margin + width, height, 0),
        )
        axes.set(xlim=(0, full_width), ylim=(height, 0))
        below = {"ha": "center", "va": "top", "fontsize": 6.5, "color": "0.15"}
        axes.text(0.5, -0.02, caption, transform=axes.transAxes, **below)
    left, bottom, _, tall = layout.tile(row, 0)
    beside = {"rotation": 90, "ha": "right", "va": "center", "fontsize": 7.5}
    figure.text(left * 0.85, bottom + tall / 2, strip.label, **beside)


def _draw_bar(
    figure: Any,
    place: tuple[float, float, float, float],
    strip: _Strip,
    *,
    highest: str,
) -> None:
    """Colour bar of a row; its upper end is written as `highest`."""
    axes = figure.add_axes(place)
    ramp = np.linspace(0.0, 1.0, 256)[:, None]
    extent = (0.0, 1.0, 0.0, 1.0)
    axes.imshow(ramp, cmap=strip.colours, origin="lower", extent=extent, aspect="auto")
    axes.set_xticks([])
    middle = (strip.lowest + strip.highest) / 2
    labels = [f"{strip.lowest:.2g}", f"{middle:.2g}", highest]
    axes.set_yticks([0.0, 0.5, 1.0], labels)
    axes.yaxis.tick_right()
    axes.tick_params(labelsize=6.5, length=2, width=0.5)
    axes.spines[:].set_linewidth(0.5)


def _check_shape(
    name: str, images: np.ndarray, hr: np.ndarray, *, narrower: bool
) -> None:
    if images.shape == hr.shape:
        return
    # Everything but the width has to agree.
    others = images.shape[:2] + images.shape[3:] == hr.shape[:2] + hr.shape[3:]
    if not (narrower and others and images.shape[2] <= hr.shape[2]):
        raise ValueError(
            f"row {name!r} of shape {images.shape}: expected {hr.shape} as the truth"
            + (" or fewer columns" if narrower else "")
        )


def _save(figure: Any, path: epath.Path, title: str) -> None:
    """Saves with the finest resolution that keeps the file small."""
    content = b""
    for resolution in _RESOLUTIONS:
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=resolution, metadata={"Title": title})
        content = buffer.getvalue()
        if len(content) <= _MAX_BYTES:
            break
    write_whole(path, content)

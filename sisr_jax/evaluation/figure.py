"""One picture that compares methods: a column for each, a block of rows for each image.

A block has the whole images, a close-up for each view of the display, and the errors.
A row has one window, which its bar says; errors have one scale in the whole picture.
"""

import itertools
from collections.abc import Mapping

import numpy as np
from etils import epath

from sisr_jax.evaluation.display import Display, View
from sisr_jax.evaluation.panels import Box, close_up, enlarged, whole, widened
from sisr_jax.evaluation.sheet import FRAMES, Row, draw_sheet, grey, heat
from sisr_jax.metrics import psnr, ssim

_ERROR_PERCENTILE = 99.5
_EVEN = np.linspace(0.0, 1.0, 256)


def comparison_figure(
    path: epath.PathLike,
    methods: Mapping[str, np.ndarray],
    hr: np.ndarray,
    *,
    title: str,
    display: Display,
    equalise: bool = False,
) -> None:
    """Draws methods beside the truth and saves a PNG of some 0.4 MB for an image.

    In a close-up, which is at the most structured place of the truth, a pixel is a
    square of screen pixels; frames in the whole truth say where it is. Images narrower
    than the truth are acquired columns, each drawn as wide as its share. Below an
    estimate stand its PSNR and SSIM, below an error its mean, all measured after
    clipping to [0, 1]. Errors are shown up to the 99.5th percentile of those of the
    last method.

    Args:
        path: PNG file to write.
        methods: Images `[num_images, height, width, 1]` by the name of their method,
            from left to right; all but the last may be acquired columns, narrower.
        hr: The truth, `[num_images, height, width, 1]`, in [0, 1], at
            least 11 pixels wide and high.
        title: Above the images and in the file: what was measured, by which protocol.
        display: Units and windows; the scores do not depend on them.
        equalise: Shows grey levels at their rank among those of the truth instead.

    Raises:
        ValueError: If there are no methods, or one has other images than the truth.
    """
    if not methods:
        raise ValueError("methods = {}: expected at least one to draw")
    last = list(methods)[-1]
    for name, images in methods.items():
        _check_shape(name, images, hr, narrower=name != last)
    columns = {
        name: widened(each[..., 0], hr.shape[2]) for name, each in methods.items()
    }
    columns["HR"] = hr[..., 0]
    captions = [*(_captions(each, hr) for each in methods.values()), [""] * len(hr)]
    errors = _error_rows(methods, hr, display)
    if equalise:
        columns, display = _equalised(columns)
    blocks = []
    for i, error in enumerate(errors):
        images = [each[i] for each in columns.values()]
        levels = [display.levels(image, display.whole) for image in images]
        overview = [grey(whole(level)) for level in levels]
        close_ups = []
        for view, frame in zip(display.views, itertools.cycle(FRAMES), strict=False):
            levels = [display.levels(image, view) for image in images]
            box = close_up(levels[-1])
            panels = [grey(enlarged(level, box)) for level in levels]
            for panel in panels:
                _frame(panel, Box(0, 0, *panel.shape), panel.shape[0], frame)
            _frame(overview[-1], box, hr.shape[1], frame)
            label = f"close-up, {view.name}"
            close_ups.append(
                _grey_row(label, panels, [""] * len(panels), display, view)
            )
        first = [each[i] for each in captions]
        top = _grey_row("whole image", overview, first, display, display.whole)
        blocks.append([top, *close_ups, error])
    draw_sheet(path, blocks, list(columns), title=title)


def _grey_row(
    label: str,
    panels: list[np.ndarray],
    captions: list[str],
    display: Display,
    view: View,
) -> Row:
    middle = (view.low + view.high) / 2
    ticks = [_value(value, display) for value in (view.low, middle, view.high)]
    return Row(label, panels, captions, grey(_EVEN), ticks)


def _value(value: float, display: Display) -> str:
    return f"{value:.4g} {display.unit}".strip()


def _error_rows(
    methods: Mapping[str, np.ndarray], hr: np.ndarray, display: Display
) -> list[Row]:
    """A row of absolute errors for each image; acquired columns have none."""
    errors = {
        name: np.abs(np.clip(images, 0.0, 1.0) - hr)[..., 0] * display.span
        for name, images in methods.items()
        if images.shape == hr.shape
    }
    # The largest errors are few; a scale up to them would show the rest as black.
    largest = np.percentile(errors[list(methods)[-1]], _ERROR_PERCENTILE)
    end = max(float(f"{largest:.1e}"), 1e-3 * display.span)
    ticks = [_value(value, display) for value in (0.0, end / 2, end)]
    ticks[-1] = f"\N{GREATER-THAN OR EQUAL TO} {ticks[-1]}"
    rows = []
    for i in range(len(hr)):
        maps = [errors[name][i] if name in errors else None for name in methods]
        panels = [None if m is None else heat(whole(m) / end) for m in maps]
        captions = [
            "" if m is None else f"mean {m.mean():.3g} {display.unit}" for m in maps
        ]
        rows.append(
            Row("|error|", [*panels, None], [*captions, ""], heat(_EVEN), ticks)
        )
    return rows


def _equalised(
    columns: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], Display]:
    """Maps all images through the cumulative histogram of the truth."""
    ranks = np.linspace(0.0, 1.0, 257)
    levels = np.quantile(columns["HR"], ranks)
    view = View("rank", 0.0, 1.0)
    mapped = {name: np.interp(each, levels, ranks) for name, each in columns.items()}
    return mapped, Display("", view, (view,))


def _captions(images: np.ndarray, hr: np.ndarray) -> list[str]:
    if images.shape != hr.shape:
        return [f"{images.shape[2]} of {hr.shape[2]} columns"] * len(hr)
    images = np.clip(images, 0.0, 1.0)
    decibels, similarity = np.asarray(psnr(images, hr)), np.asarray(ssim(images, hr))
    return [f"{p:.2f} dB   {s:.3f}" for p, s in zip(decibels, similarity, strict=True)]


def _frame(panel: np.ndarray, box: Box, height: int, colour: int) -> None:
    """Draws the outline of a part of an image `height` pixels high into its panel."""
    times = panel.shape[0] / height
    top, left = int(box.top * times), int(box.left * times)
    bottom = int((box.top + box.height) * times)
    right = int((box.left + box.width) * times)
    inside = panel[top:bottom, left:right]
    inside[[0, -1]] = colour
    inside[:, [0, -1]] = colour


def _check_shape(
    name: str, images: np.ndarray, hr: np.ndarray, *, narrower: bool
) -> None:
    if images.shape == hr.shape:
        return
    # Everything but the width has to agree.
    others = images.shape[:2] + images.shape[3:] == hr.shape[:2] + hr.shape[3:]
    if not (narrower and others and images.shape[2] <= hr.shape[2]):
        raise ValueError(
            f"method {name!r} of shape {images.shape}: expected {hr.shape} as the truth"
            + (" or fewer columns" if narrower else "")
        )

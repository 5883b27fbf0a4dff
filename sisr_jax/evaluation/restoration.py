"""One page about one restored image: what to see, and where not to believe it."""

import numpy as np
from etils import epath

from sisr_jax.evaluation.display import Display, View
from sisr_jax.evaluation.panels import whole
from sisr_jax.evaluation.sheet import Row, draw_sheet, grey, heat
from sisr_jax.inference.slices import Restoration

_EVEN = np.linspace(0.0, 1.0, 256)
# The largest values are few; a scale up to them would show the rest as black.
_PERCENTILE = 99.5


def draw_restoration(
    path: epath.PathLike, page: Restoration, *, display: Display, title: str
) -> None:
    """Draws the page and saves it as a PNG.

    Grey rows have one window each: reconstruction, restored image, and the complete one
    if there is one. Maps have one scale, in units of the display: how far the image is
    from its reconstruction, how much of it does not come from the measurement, half the
    width of its interval, and its error if the truth is known. The last row is the part
    of the measurement that the image does not explain, in percent.

    Args:
        path: PNG file to write.
        page: What to draw.
        display: Units and windows.
        title: Above the images and in the file: model, measurement, numbers.
    """
    images = {"linear reconstruction": page.first, "restored": page.image}
    maps = {
        "restored - linear": page.image - page.first,
        "not determined by the measurement": page.null_space,
    }
    if page.half_width is not None:
        maps["half the width of the interval"] = page.half_width
    if page.truth is not None:
        images["complete image"] = page.truth
        maps["error"] = page.image - page.truth
    height, width = page.unexplained.shape
    if height == len(page.image):
        # Columns are as far apart as in the image.
        across = page.image.shape[1] // width
        unexplained = page.unexplained.repeat(max(1, across), axis=1)
    else:
        # Few views would be a thin line: each is drawn as high as makes it a square.
        unexplained = page.unexplained.repeat(max(1, width // height), axis=0)
    columns = max(len(images), len(maps))
    rows = [_greys(images, view, display, columns) for view in _views(display)]
    rows += [
        _heats("size", maps, display.span, display.unit, columns),
        _heats("ray", {"measured and not explained": unexplained}, 100, "%", columns),
    ]
    draw_sheet(path, [rows], [""] * columns, title=title)


def _views(display: Display) -> list[View]:
    # Where one window is all there is, it is both.
    return list(dict.fromkeys([display.whole, *display.views]))


def _greys(
    images: dict[str, np.ndarray], view: View, display: Display, columns: int
) -> Row:
    panels = [grey(whole(display.levels(each, view))) for each in images.values()]
    ticks = [
        f"{value:.4g} {display.unit}".strip()
        for value in (view.low, (view.low + view.high) / 2, view.high)
    ]
    return _row(view.name, panels, list(images), columns, grey(_EVEN), ticks)


def _heats(
    label: str, maps: dict[str, np.ndarray], scale: float, unit: str, columns: int
) -> Row:
    sizes = {name: scale * np.abs(each) for name, each in maps.items()}
    end = max(float(np.percentile(each, _PERCENTILE)) for each in sizes.values())
    end = max(float(f"{end:.1e}"), 1e-9)
    ticks = [f"{value:.3g} {unit}".strip() for value in (0.0, end / 2, end)]
    ticks[-1] = f"\N{GREATER-THAN OR EQUAL TO} {ticks[-1]}"
    captions = [f"{name}, mean {each.mean():.3g}" for name, each in sizes.items()]
    panels = [heat(whole(each) / end) for each in sizes.values()]
    return _row(label, panels, captions, columns, heat(_EVEN), ticks)


def _row(
    label: str,
    panels: list[np.ndarray],
    captions: list[str],
    columns: int,
    ramp: np.ndarray,
    ticks: list[str],
) -> Row:
    missing = columns - len(panels)
    return Row(
        label, [*panels, *[None] * missing], captions + [""] * missing, ramp, ticks
    )

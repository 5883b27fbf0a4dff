"""Curves over spatial frequency, a line for each method."""

import io
from collections.abc import Mapping

import numpy as np
from etils import epath

from sisr_jax.evaluation.lettering import drawable
from sisr_jax.evaluation.quality_report import NOISE_POWER, Quality
from sisr_jax.storage.files import write_whole


def draw_curves(
    path: epath.PathLike, qualities: Mapping[str, Quality], *, title: str
) -> None:
    """Draws the curves of all methods beside each other and saves a PNG.

    Args:
        path: PNG file to write.
        qualities: By the name of the method; all have the same curves.
        title: Above them, and in the file.
    """
    # Slow to import, and of use nowhere else. No pyplot: it keeps global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(next(iter(qualities.values())).curves)
    figure = Figure(figsize=(5 * len(names), 4), layout="constrained")
    # As it is: a name of a file may hold what else would be a formula.
    figure.suptitle(drawable(title), size=8, parse_math=False)
    columns = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(columns, names, strict=True):
        for method, quality in qualities.items():
            curve = quality.curves[name]
            axes.plot(*map(np.asarray, curve), label=drawable(method))
        axes.set(xlabel="cycles/mm", ylabel=name, xlim=(0, None))
        values = [np.asarray(each.curves[name].values) for each in qualities.values()]
        if name == NOISE_POWER and all((each > 0).any() for each in values):
            axes.set_yscale("log")  # methods differ by orders of magnitude
        else:
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Title": title})
    write_whole(epath.Path(path), buffer.getvalue())

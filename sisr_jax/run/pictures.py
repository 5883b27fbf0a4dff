"""Pictures of a run, named so that TensorBoard sorts them as a person reads them."""

from collections.abc import Mapping, Sequence

import numpy as np

from sisr_jax.evaluation.display import Display
from sisr_jax.evaluation.panels import widened

_ORDER = ("degraded", "baseline", "sr", "hr", "error")
_LARGEST_ERROR = 0.1  # of the window, shown as white at every step of every run


def pictures(
    images: Mapping[str, np.ndarray], names: Sequence[str], display: Display
) -> dict[str, np.ndarray]:
    """Grey levels of images through every view of a display, by the name of a picture.

    `sample_1_lung/3_sr` is the super-resolved first sample in the window for lungs; the
    pictures of one sample and view go from degraded to error.

    Args:
        images: `[num_samples, height, width, 1]` in [0, 1] of the window, by what they
            are; `hr` is one of them, what is narrower are acquired columns.
        names: Which to show: `degraded`, `baseline`, `sr`, `hr`, and `error`, which is
            that of `sr`.
        display: Units and windows.
    """
    named, hr = {}, images["hr"]
    for name in names:
        is_error = name == "error"
        each = np.abs(images["sr"] - hr) / _LARGEST_ERROR if is_error else images[name]
        for i, image in enumerate(widened(each[..., 0], hr.shape[2])):
            for view in display.views:
                levels = image if is_error else display.levels(image, view)
                tag = f"sample_{i + 1}_{view.name}/{_ORDER.index(name) + 1}_{name}"
                named[tag] = np.clip(levels, 0.0, 1.0)[..., None]
    return named


def legend(display: Display) -> str:
    """What the grey levels of the pictures mean, as Markdown."""
    unit = display.unit
    lines = [f"* {v.name}: {v.low:g} to {v.high:g} {unit}" for v in display.views]
    error = _LARGEST_ERROR * display.span
    return "\n".join([*lines, f"* error: 0 to {error:g} {unit}, and more, absolute"])

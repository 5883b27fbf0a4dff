"""Files of reconstructions measured against files of what they should be."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from sisr_jax.data.formats.headers import is_close, spacing_text
from sisr_jax.data.pairs import Pair
from sisr_jax.errors import InputError
from sisr_jax.evaluation.patient_quality import patient_quality, slice_quality
from sisr_jax.evaluation.quality_report import Quality


def pixel_of(pairs: Sequence[Pair], *, stated: float | None) -> float:
    """Width of all pixels in mm.

    Args:
        pairs: The files.
        stated: The width that the user says; None if the files do.

    Raises:
        InputError: If neither does, they disagree, or a file has pixels that are not
            square: its frequencies would differ along its axes.
    """
    pixel_mm = stated
    for pair in pairs:
        if pair.spacing is None:
            continue
        if not is_close(*pair.spacing):
            raise InputError(
                f"{pair.image}: pixels of {spacing_text(pair.spacing)} mm, expected "
                "square ones"
            )
        pixel_mm = pair.spacing[0] if pixel_mm is None else pixel_mm
        if not is_close(pixel_mm, pair.spacing[0]):
            where = "--pixel_size" if stated else "of the files before"
            raise InputError(
                f"{pair.image}: pixels of {pair.spacing[0]:.4g} mm, expected "
                f"{pixel_mm:.4g} mm, as {where}"
            )
    unknown = [pair.image for pair in pairs if pair.spacing is None]
    if pixel_mm is None or (stated is None and unknown):
        raise InputError(f"--pixel_size is missing: {unknown[0]} does not say it")
    return pixel_mm


def measure_files(
    pairs: Sequence[Pair],
    *,
    pixel_mm: float,
    window: tuple[float, float],
    rescale: tuple[float, float],
    progress: Callable[[Sequence[Pair]], Iterable[Any]],
) -> dict[str, Quality]:
    """Measures all images, under a name that says how many they are.

    Args:
        pairs: The files.
        pixel_mm: Width of a pixel.
        window: HU outside are set to its ends first.
        rescale: From stored to physical values, see `read_images`.
        progress: Goes through the pairs, and may show that.

    Raises:
        InputError: If a file cannot be read.
    """
    slices = [
        slice_quality(*(np.clip(each, *window) for each in planes), pixel_mm=pixel_mm)
        for pair in progress(pairs)
        for planes in pair.read(rescale)
    ]
    return {f"slices: {len(slices)}": patient_quality(slices, pixel_mm=pixel_mm)}

"""Whether something is what the weights of a restorer were trained for."""

import numpy as np

from sisr_jax.config import Config
from sisr_jax.data.formats.headers import is_close, spacing_text
from sisr_jax.data.transforms import clipped_share
from sisr_jax.degradation import modality_of
from sisr_jax.errors import InputError, one_line
from sisr_jax.inference.restorer import Restorer
from sisr_jax.tomography import ParallelBeam

# Radians between views of the same lines; gaps over the mean one that are no matter.
_SAME_ANGLE, _WIDEST_GAP = 1e-6, 2.0


def config_of(restorer: Restorer) -> Config:
    """The configuration of a restorer.

    Raises:
        ValueError: If it was made by hand.
    """
    if restorer.config is None:
        raise ValueError("a restorer without a configuration: expected one of `load`")
    return restorer.config


def check_device(restorer: Restorer, code: str) -> None:
    """Refuses images of a device of another kind than that of the training.

    Args:
        restorer: One of `load`.
        code: See `Header.taken_by`.

    Raises:
        InputError: If it is known and another.
    """
    expected = modality_of(config_of(restorer)).dicom
    if code and code not in expected:
        known = " or ".join(sorted(expected))
        raise InputError(
            f"an image of {one_line(code)}, and these weights are for {known}"
        )


def check_sinogram(restorer: Restorer) -> None:
    """Refuses a restorer of anything but views.

    Raises:
        InputError: If its configuration says so.
    """
    measures = config_of(restorer).degradation.measures
    if measures != "views":
        raise InputError(
            f"a sinogram of parallel beams, and these weights are for {measures}"
        )


def check_simulation(restorer: Restorer, factor: int) -> None:
    """Refuses to measure by fewer or more than weights were trained for.

    Args:
        restorer: One of `load`.
        factor: Keep every so many-th view, or column.

    Raises:
        InputError: If the card of the restorer, or else its configuration, says so.
    """
    own = config_of(restorer).degradation
    if own.measures == "columns":
        check_columns(restorer, factor)
        return
    section = own.every(factor)
    if section.measures == "views":
        check_views(restorer, section.num_kept)


def check_columns(restorer: Restorer, factor: int) -> None:
    """Refuses to keep every `factor`-th column where weights were not trained for it.

    Raises:
        InputError: If the card of the restorer, or else its configuration, says so, or
            weights are for no columns, or ask for more than columns.
    """
    section = config_of(restorer).degradation
    if section.measures != "columns":
        raise InputError(f"columns, and these weights are for {section.measures}")
    if section.side_information:
        raise InputError(
            f"columns as they are shown, and these weights ask for "
            f"{section.side_information} beside them"
        )
    own = section.factor
    fewest, most = restorer.card.get("factors") or (own, own)
    if not fewest <= factor <= most:
        trained = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        raise InputError(
            f"one of {factor} columns: these weights are for one of {trained}"
        )


def check_views(restorer: Restorer, views: int) -> None:
    """Refuses a number of views that weights were not trained for.

    Raises:
        InputError: If the card of the restorer, or else its configuration, says so, or
            weights are for no views of parallel beams.
    """
    check_sinogram(restorer)
    trained = restorer.card.get("views") or config_of(restorer).degradation.num_measured
    fewest, most = trained
    if not fewest <= views <= most:
        raise InputError(f"{views} views: these weights are for {fewest} to {most}")


def unusual_views(beam: ParallelBeam) -> str:
    """In which way views are not spread as those of the training; empty if they are.

    All weights are for views that are spread evenly over half a turn. Views of whole
    turns count once for each line, and one that is missing is no matter.

    Args:
        beam: The views.
    """
    turned = np.sort(np.mod(beam.angles, np.pi))
    gaps = np.diff(turned, append=turned[0] + np.pi)
    mean = np.pi / max(np.count_nonzero(gaps > _SAME_ANGLE), 1)
    if gaps.max() <= _WIDEST_GAP * mean * (1 + 1e-6):
        return ""
    return (
        f"no view within {np.rad2deg(gaps.max()):.3g} degrees, and these weights are "
        f"for views spread evenly over 180, here by {np.rad2deg(mean):.3g}"
    )


def check_units(restorer: Restorer, images: np.ndarray, most: float) -> None:
    """Refuses images that are mostly outside of the window of the training.

    Args:
        restorer: One of `load`.
        images: Physical values, `[images, height, width]`.
        most: Greatest share of an image that may lie outside.

    Raises:
        InputError: If more does.
    """
    config = config_of(restorer)
    window = config.data.window
    outside = max(clipped_share(image, window) for image in images)
    if outside > most:
        unit = modality_of(config).unit(window)
        raise InputError(
            f"{100 * outside:.0f} % of the pixels lie outside of {window} {unit}, "
            "what the weights were trained for: values in other units?"
        )


def unusual_spacing(restorer: Restorer, spacing: tuple[float, float] | None) -> str:
    """In which way pixels are not those of the training; empty if they are.

    Args:
        restorer: One of `load`. The `spacing_mm` of its card are the least and the
            greatest of the training, None where its images did not say.
        spacing: From row to row and from column to column, in mm; None if unknown.
    """
    if spacing is None or not config_of(restorer).degradation.of_square:
        return ""
    rows, columns = spacing
    if not is_close(rows, columns):
        return (
            f"pixels of {spacing_text(spacing)} mm, and the geometry of these weights "
            "is for square ones"
        )
    trained = restorer.card.get("spacing_mm")
    if not trained:
        return ""
    least, most = trained
    if least <= rows <= most or is_close(rows, least) or is_close(rows, most):
        return ""
    return (
        f"pixels of {rows:.4g} mm, and these weights were trained with {least:.3g} to "
        f"{most:.3g} mm"
    )

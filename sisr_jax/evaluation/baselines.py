"""Estimates without learning: what a network has to beat.

A method maps what was measured (views, columns) to a full-size estimate, so
every row of a table starts from the same acquisition, that of the degraded image.
"""

from collections.abc import Callable

from jax import Array
from jax.tree_util import Partial

from sisr_jax.config import LateralDecimation, SparseViewCT
from sisr_jax.evaluation.acquisition import Acquisition
from sisr_jax.image.resize import aligned_columns, half_pixel_columns
from sisr_jax.reconstruction.total_variation import Settings, total_variation
from sisr_jax.reconstruction.view_interpolation import Method as Filling
from sisr_jax.reconstruction.view_interpolation import fill_views
from sisr_jax.tomography import PlannedBeam, plan
from sisr_jax.tomography.radon import without_plan
from sisr_jax.types import Image

# CT: views `[batch, angles, detectors]`; ultrasound: kept columns, an image. A method
# is a pytree (`Partial`) of the matrices that it takes, so it can be a `jit` argument.
Method = Callable[[Array], Image]
Methods = Callable[[Acquisition], dict[str, Method]]

# The one that a figure shows, by `config.degradation.kind`.
PRIMARY_BASELINE = {
    "sparse_view_ct": "Linear views + FBP",
    "lateral_decimation": "Bicubic (aligned)",
}
# The best of those that need no matrices but the degradation's.
LIGHT_BASELINE = PRIMARY_BASELINE | {"sparse_view_ct": "Hann FBP"}


def methods_of(acquire: Acquisition) -> dict[str, Method]:
    """The quick methods for an acquisition, by the name of their row.

    CT: see `ct_methods`; ultrasound: see `ultrasound_methods`.

    Returns:
        Measurement to an estimate `[batch, height, width, 1]`; nothing is clipped.
    """
    if isinstance(acquire.degradation, SparseViewCT):
        return ct_methods(acquire)
    return ultrasound_methods(acquire.degradation)


def ct_methods(acquire: Acquisition) -> dict[str, Method]:
    """Reconstructions from the kept views.

    Filtered back-projection of the kept views with the ramp filter, which is
    exact but for the missing views, and with the Hann window, which trades
    streaks for blur; and of all views with the ramp filter, the missing ones
    interpolated between the kept ones along the angle.
    """
    kept, full = without_plan(acquire.kept), without_plan(acquire.full)

    def direct(filter_name: str) -> Method:
        def reconstruct(acquire: Acquisition, views: Array) -> Image:
            return acquire.reconstruct(views, acquire.kept, filter_name)

        return Partial(reconstruct, acquire)

    def interpolated(method: Filling) -> Method:
        def reconstruct(acquire: Acquisition, views: Array) -> Image:
            filled = fill_views(views, kept, full, method)
            return acquire.reconstruct(filled, acquire.full, "ramp")

        return Partial(reconstruct, acquire)

    return {
        "Sparse FBP": direct("ramp"),
        "Hann FBP": direct("hann"),
        "Linear views + FBP": interpolated("linear"),
        "Cubic views + FBP": interpolated("cubic"),
    }


def with_total_variation(settings: Settings) -> Methods:
    """The quick CT methods and the iterative one, named with its settings.

    It projects hundreds of times, hence by `matmul` whatever the projector of the
    acquisition. Build it outside `jit`, which would copy the matrices into the program.
    """
    name = f"TV ({settings.num_iterations} iterations, weight {settings.weight:g})"

    def reconstruct(beam: PlannedBeam, views: Array) -> Image:
        return total_variation(beam, settings)(views)[..., None]

    def methods(acquire: Acquisition) -> dict[str, Method]:
        kept = acquire.kept
        beam = kept if isinstance(kept, PlannedBeam) else plan(kept)
        return ct_methods(acquire) | {name: Partial(reconstruct, beam)}

    return methods


def ultrasound_methods(degradation: LateralDecimation) -> dict[str, Method]:
    """Interpolations between kept columns.

    At their true places, linear and bicubic; and the half-pixel bicubic of
    published tables, which is shifted against the truth (see
    `half_pixel_columns`).
    """
    factor, offset = degradation.factor, degradation.offset
    return {
        "Bicubic (half-pixel)": Partial(
            lambda image: half_pixel_columns(image, factor)
        ),
        "Linear (aligned)": Partial(
            lambda image: aligned_columns(image, factor, offset, "linear")
        ),
        "Bicubic (aligned)": Partial(
            lambda image: aligned_columns(image, factor, offset, "cubic")
        ),
    }

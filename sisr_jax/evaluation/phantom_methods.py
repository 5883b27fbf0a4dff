"""Methods that may reconstruct the phantom, by name."""

from collections.abc import Callable

import jax

from sisr_jax.errors import InputError
from sisr_jax.inference import available, load
from sisr_jax.inference.trained_for import check_views
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.tomography import ParallelBeamCT

# A sinogram `[angles, detectors]` and its operator to an image in [0, 1] of the window.
Method = Callable[[jax.Array, ParallelBeamCT], jax.Array]

_TV_ITERATIONS = 100


def method_names() -> tuple[str, ...]:
    """Filtered back-projection, total variation and the shipped weights."""
    return ("fbp", "tv", *available("views"))


def method_named(name: str, operator: ParallelBeamCT, *, tv_weight: float) -> Method:
    """The method of a name.

    Args:
        name: One of `method_names()`.
        operator: What will measure, to refuse views that weights are not for.
        tv_weight: Of total variation.

    Raises:
        InputError: If there is no such method, or it is not for so many views.
    """
    if name == "fbp":
        return jax.jit(lambda views, operator: operator.fbp(views))
    if name == "tv":
        options = {"weight": tv_weight, "num_iterations": _TV_ITERATIONS}
        return jax.jit(
            lambda views, operator: total_variation(views, operator, **options)
        )
    if name not in available("views"):
        known = ", ".join(method_names())
        raise InputError(f"method {name!r}: expected one of {known}")
    restorer = load(name)
    check_views(restorer, operator.range_shape[0])
    return lambda views, operator: restorer(measurement=views, operator=operator).image


def low_dose_weight(photons: float) -> float:
    """Weight of total variation for 63 views of patients at a dose.

    Through the best ones on the validation split of `experiments/learned_ct` for 1e5
    and 1e4 photons a ray, 5e-3 and 4.5e-2, as a power law.
    """
    return 5e-3 * (1e5 / photons) ** 0.95

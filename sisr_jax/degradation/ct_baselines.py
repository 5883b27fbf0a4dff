"""Sparse-view CT without learning: what a network has to beat."""

import dataclasses
import math
from typing import NamedTuple

import jax
import numpy as np

from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.reconstruction.view_interpolation import (
    NUM_TAPS,
    Interpolation,
    fill_views,
)
from sisr_jax.tomography import ParallelBeamCT
from sisr_jax.tomography.fbp import Weights
from sisr_jax.tomography.radon import Method, without_plan
from sisr_jax.types import Image, Measurement, SquarePlane

_STATIC = {"static": True}

# Total variation, chosen on the train split by `experiments/baselines/tune.py`: views
# for each pixel of the side, and the weight; between them on a logarithmic scale. Views
# measured by another projector than the one that reconstructs deserve less trust.
_TV_WEIGHTS = {
    "matmul": ((63 / 512, 1e-4), (125 / 512, 5e-5), (250 / 512, 2e-5)),
    "reference": ((63 / 512, 1e-3), (125 / 512, 5e-4), (250 / 512, 1e-3)),
}
_TV_ITERATIONS = 100


class TotalVariation(NamedTuple):
    """How far and how strongly to regularise; part of every published number.

    Attributes:
        weight: Of total variation against the data term.
        num_iterations: A projection and a back-projection each.
    """

    weight: float
    num_iterations: int

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"TV ({self.num_iterations} iterations, weight {self.weight:g})"


def chosen_total_variation(method: Method, density: float) -> TotalVariation:
    """Total variation as it is published.

    Args:
        method: What measured the views.
        density: Views for each pixel of the side.
    """
    densities, weights = np.log(np.array(_TV_WEIGHTS[method])).T
    weight = math.exp(np.interp(math.log(density), densities, weights))
    return TotalVariation(float(f"{weight:.1e}"), _TV_ITERATIONS)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class CTBaselines:
    """Reconstructions from the measured views.

    Filtered back-projection with the ramp filter, which is exact but for the missing
    views, and with the Hann window, which trades streaks for blur; filtered
    back-projection of all views, the missing ones interpolated along the angle; total
    variation, which projects hundreds of times, hence by `matmul` in any case.

    Attributes:
        full: All views, before any are left out; None where the views are drawn, which
            are not interpolated.
        iterative: The measured views by `matmul`; None where they are measured by it.
        factor: Every how many-th of all views is kept.
        weights: What a view counts in a reconstruction, see `tomography.fbp`.
        settings: Of total variation.
    """

    full: ParallelBeamCT | None
    iterative: ParallelBeamCT | None
    factor: int = dataclasses.field(metadata=_STATIC)
    weights: Weights = dataclasses.field(metadata=_STATIC)
    settings: TotalVariation = dataclasses.field(metadata=_STATIC)

    @property
    def names(self) -> tuple[str, ...]:
        """See `Baselines`."""
        return ("Sparse FBP", "Hann FBP", *self._interpolations, self.primary)

    @property
    def primary(self) -> str:
        """See `Baselines`."""
        return self.settings.name

    def __call__(self, measurement: Measurement) -> dict[str, Image]:
        """See `Baselines`."""
        views, operator = measurement
        weights = self.weights if operator.sampled is None else None
        planes = {
            f"{name} FBP": operator.fbp(views, filter_name=filter_name, weights=weights)
            for name, filter_name in (("Sparse", "ramp"), ("Hann", "hann"))
        }
        planes |= self._interpolated(measurement)
        planes[self.primary] = self._total_variation(measurement)
        return {name: plane[..., None] for name, plane in planes.items()}

    @property
    def _interpolations(self) -> dict[str, Interpolation]:
        """Ways to fill views in, by name: those that the kept views are enough for."""
        if self.full is None:
            return {}
        kept = -(-self.full.range_shape[0] // self.factor)
        ways: dict[str, Interpolation] = {
            "Linear views + FBP": "linear",
            "Cubic views + FBP": "cubic",
        }
        return {name: way for name, way in ways.items() if kept >= NUM_TAPS[way]}

    def _interpolated(self, measurement: Measurement) -> dict[str, SquarePlane]:
        planes, full = {}, self.full
        for name, way in self._interpolations.items():
            assert full is not None, "there are no interpolations without"
            kept = without_plan(measurement.operator.beam)
            filled = fill_views(
                measurement.values, kept=kept, full=without_plan(full.beam), method=way
            )
            planes[name] = full.fbp(filled, weights=self.weights)
        return planes

    def _total_variation(self, measurement: Measurement) -> SquarePlane:
        views, operator = measurement
        return total_variation(
            views,
            operator if self.iterative is None else self.iterative,
            weight=self.settings.weight,
            num_iterations=self.settings.num_iterations,
        )

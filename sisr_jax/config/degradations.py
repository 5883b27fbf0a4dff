"""The sections about what is lost of an image: one for each kind of degradation.

A section has a `kind`, by which `DEGRADATIONS` finds it, says with `check` what it asks
of the images, and with `width_factor` how much wider the image is than what is left of
it. `measures` is what one measurement is a list of, `of_square` whether images must be
square, `side_information` says what a measurement has beyond what an image explains
(empty: nothing), and `every(factor)` is the same with nothing drawn. Where images need
not be square, `last_kept(width)` is the last of their columns that is measured.
`sisr_jax.degradation` holds what a kind means.
"""

import dataclasses
from typing import Annotated, Any, ClassVar, Literal, Self

from sisr_jax.config.beams import BeamDecimation
from sisr_jax.config.checks import check
from sisr_jax.config.columns import KeptColumns
from sisr_jax.config.data import Data
from sisr_jax.config.fan_ct import SparseViewFanCT
from sisr_jax.config.ranges import Range
from sisr_jax.config.scans import Dose, Factor, Filter, check_views

_Views = Annotated[int, Range(0, 2**16)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparseViewCT:
    """Sparse-view CT: keep every `factor`-th of `num_angles` views, then FBP.

    Attributes:
        kind: Which degradation.
        num_angles: Views of the full scan, over 180 degrees.
        factor: Every how many-th is kept.
        views: Fewest and most of the kept views that are measured, a number and a first
            view drawn for each image; (0, 0): all of them.
        dose: Photons of the scan.
        filter_name: Filter of the back-projection.
        method: `matmul`, or `reference` for the numerics of scikit-image.
        weights: Views weighted by the `gaps` between them, or `uniform` as in
            scikit-image.
    """

    kind: Literal["sparse_view_ct"]
    num_angles: Annotated[int, Range(1, 2**16)]
    factor: Factor
    views: tuple[_Views, _Views]
    dose: Dose
    filter_name: Filter
    method: Literal["matmul", "reference"]
    weights: Literal["gaps", "uniform"]
    measures: ClassVar[str] = "views"
    of_square: ClassVar[bool] = True
    side_information: ClassVar[str] = ""

    @property
    def width_factor(self) -> int:
        """Columns of the image for each of the first estimate: as many."""
        return 1

    @property
    def num_kept(self) -> int:
        """Views that are kept."""
        return -(-self.num_angles // self.factor)

    @property
    def draws_views(self) -> bool:
        """Whether the number of views is drawn for each image."""
        return self.views[1] > 0

    @property
    def num_measured(self) -> tuple[int, int]:
        """Fewest and most views that are measured of an image."""
        return self.views if self.draws_views else (self.num_kept, self.num_kept)

    def every(self, factor: int) -> Self:
        """Every so many-th of all views, none of them drawn.

        Raises:
            ConfigError: If none would be left.
        """
        most = self.num_angles
        check(1 <= factor <= most, "degradation.factor", factor, f"1 to {most}")
        return dataclasses.replace(self, factor=factor, views=(0, 0))

    def check(self, data: Data) -> None:
        """Raises ConfigError for values that do not go with the images."""
        check_views(data, factor=self.factor, num_angles=self.num_angles)
        check(
            self.views == (0, 0)
            or 1 <= self.views[0] <= self.views[1] <= self.num_kept,
            "degradation.views",
            self.views,
            f"(0, 0), or 1 <= fewest <= most <= {self.num_kept}, the views kept by "
            f"degradation.factor = {self.factor}",
        )
        check(
            not self.draws_views or self.weights == "gaps",
            "degradation.weights",
            self.weights,
            "'gaps' where degradation.views are drawn",
        )
        self.dose.check(data)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LateralDecimation(KeptColumns):
    """Ultrasound: keep every `factor`-th column.

    Attributes:
        kind: Which degradation.
        factor: See `KeptColumns`.
        offset: See `KeptColumns`.
    """

    kind: Literal["lateral_decimation"]
    measures: ClassVar[str] = "columns"


DEGRADATIONS: dict[str, Any] = {
    "sparse_view_ct": SparseViewCT,
    "sparse_view_fan_ct": SparseViewFanCT,
    "lateral_decimation": LateralDecimation,
    "beam_decimation": BeamDecimation,
}

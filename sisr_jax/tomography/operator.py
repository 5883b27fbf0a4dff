"""Parallel-beam projection as a linear operator."""

import dataclasses

import jax
from jaxtyping import Array, Float

from sisr_jax.operators import LinearOperator
from sisr_jax.tomography.fbp import Weights, fbp
from sisr_jax.tomography.geometry import ParallelBeam
from sisr_jax.tomography.planning import PlannedBeam, plan
from sisr_jax.tomography.radon import (
    Method,
    back_project,
    is_reference,
    radon,
    without_plan,
)
from sisr_jax.types import Sinogram, SquarePlane


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class ParallelBeamCT(LinearOperator):
    """Line integrals of square images along parallel beams.

    `A(x)` is `radon`, `A.T(y)` is `back_project`; images are `[*batch, size, size]`,
    measurements `[*batch, angles, detectors]`.

    Attributes:
        beam: The rays. For `matmul` they are planned when the operator is made.
        method: See `radon`.
        sampled: None if all views are measured; else the angle in radians that each
            view stands for, `[*batch, angles]`, 0 for views that are not: they read 0,
            and whatever they hold is ignored.
    """

    beam: ParallelBeam | PlannedBeam
    method: Method = dataclasses.field(
        default="matmul", kw_only=True, metadata={"static": True}
    )
    sampled: Float[Array, "*batch angles"] | None = dataclasses.field(
        default=None, kw_only=True
    )

    def __post_init__(self) -> None:
        if isinstance(self.beam, ParallelBeam) and not is_reference(self.method):
            object.__setattr__(self, "beam", plan(self.beam))

    @property
    def domain_shape(self) -> tuple[int, int]:
        """Height and width of an image in pixels."""
        size = without_plan(self.beam).size
        return size, size

    @property
    def range_shape(self) -> tuple[int, int]:
        """Numbers of views and of detectors."""
        rays = without_plan(self.beam)
        return rays.num_angles, rays.num_detectors

    def __call__(self, x: SquarePlane, /) -> Sinogram:
        """Projects images, see `radon`."""
        return self._masked(radon(x, self.beam, method=self.method))

    def transpose(self, y: Sinogram, /) -> SquarePlane:
        """Back-projects views, see `back_project`."""
        return back_project(self._masked(y), self.beam, method=self.method)

    def fbp(
        self,
        y: Sinogram,
        *,
        filter_name: str | None = "ramp",
        weights: Weights | Float[Array, "*batch angles"] | None = None,
    ) -> SquarePlane:
        """Filtered back-projection, see `fbp`.

        Args:
            y: Views.
            filter_name: See `fbp`.
            weights: See `fbp`; default: `sampled`, or else by the gaps.
        """
        if weights is None:
            weights = "gaps" if self.sampled is None else self.sampled
        return fbp(
            y, self.beam, filter_name=filter_name, method=self.method, weights=weights
        )

    def _masked(self, views: Sinogram) -> Sinogram:
        if self.sampled is None:
            return views
        return views * (self.sampled > 0).astype(views.dtype)[..., None]

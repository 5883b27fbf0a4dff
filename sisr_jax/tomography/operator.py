"""Parallel-beam projection as a linear operator."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from sisr_jax.operators import LinearOperator
from sisr_jax.reals import as_array
from sisr_jax.tomography.fbp import fbp
from sisr_jax.tomography.geometry import ParallelBeam, as_sinogram
from sisr_jax.tomography.planning import PlannedBeam, plan
from sisr_jax.tomography.preconditioner import SATURATION, saturating_ramp_filter
from sisr_jax.tomography.radon import (
    Method,
    back_project,
    is_reference,
    radon,
    without_plan,
)
from sisr_jax.tomography.weights import Weights, angular_gaps, angular_weights
from sisr_jax.types import Key, Sinogram, SquarePlane


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
            and whatever they hold is ignored. With a batch, images and measurements
            have it, too.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
        >>> A = ParallelBeamCT(ParallelBeam(size=16, num_angles=24))
        >>> A.domain_shape, A.range_shape
        ((16, 16), (24, 23))
        >>> image = np.zeros((16, 16))
        >>> image[4:12, 4:12] = 1
        >>> views, ones = A(image), np.ones(A.range_shape)
        >>> print(f"{views.sum():.0f} {(image * A.T(ones)).sum():.0f}")  # 24 * 64
        1536 1536
        >>> A.fbp(views).shape
        (16, 16)
    """

    beam: ParallelBeam | PlannedBeam
    method: Method = dataclasses.field(
        default="matmul", kw_only=True, metadata={"static": True}
    )
    sampled: Any = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if is_reference(self.method):
            object.__setattr__(self, "method", "reference")
            object.__setattr__(self, "beam", without_plan(self.beam))
        elif isinstance(self.beam, ParallelBeam):
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

    @property
    def measured_share(self) -> float | Float[Array, "*batch"]:
        """Share of the views that are measured, 1 or `[*batch]`."""
        return 1.0 if self.sampled is None else (self.sampled > 0).mean(-1)

    def __call__(self, x: Real[Array | np.ndarray, "*batch size size"], /) -> Sinogram:
        """Projects images, see `radon`."""
        return self.measured(radon(x, self.beam, method=self.method))

    def transpose(
        self, y: Real[Array | np.ndarray, "*batch angles detectors"], /
    ) -> SquarePlane:
        """Back-projects views, see `back_project`."""
        return back_project(self.measured(y), self.beam, method=self.method)

    def fbp(
        self,
        y: Real[Array | np.ndarray, "*batch angles detectors"],
        *,
        filter_name: str | None = "ramp",
        weights: Weights
        | Float[Array | np.ndarray, "*batch_or_none angles"]
        | None = None,
    ) -> SquarePlane:
        """Filtered back-projection, see `fbp`.

        Args:
            y: Views.
            filter_name: See `fbp`.
            weights: See `fbp`; default: `sampled`, or else by the gaps.
        """
        default = "gaps" if self.sampled is None else self.sampled
        return fbp(
            self.measured(y),
            self.beam,
            filter_name=filter_name,
            method=self.method,
            weights=default if weights is None else weights,
        )

    def precondition(
        self, residual: Real[Array | np.ndarray, "*batch angles detectors"]
    ) -> Sinogram:
        """Filters every view with a ramp that saturates, and weighs it by its gaps.

        A view knows the image on a line through the origin of its Fourier plane,
        blurred over `1 / width` by the finite width of the image along the rays. Lines
        are `gap * f` apart at frequency `f`. While they overlap, they add up to `1 /
        f`, which a ramp undoes as in filtered back-projection. Beyond, each stands
        alone with the eigenvalue `width`, hence the ramp levels off at about `1 /
        (width * gap)`. The norm of `A^T P A` is 0.7 to 1 over the geometries of the
        tests.

        With `sampled`, the measured views must be about evenly spaced for that.
        """
        rays = without_plan(self.beam)
        weights, widest = angular_weights(rays), angular_gaps(rays).max(axis=0)
        if self.sampled is not None:
            weights = widest = self.sampled
        steepness = np.maximum(np.abs(np.cos(rays.angles)), np.abs(np.sin(rays.angles)))
        # The longest way of a ray through the image is `size / steepness`.
        saturation = SATURATION * steepness / (rays.size * jnp.maximum(widest, 1e-6))
        residual = as_sinogram(self.measured(residual), rays)
        return saturating_ramp_filter(residual, weights, saturation)

    def draw(self, key: Key) -> SquarePlane:
        """A random image, normally distributed; one for each of `sampled`."""
        batch = () if self.sampled is None else self.sampled.shape[:-1]
        return jax.random.normal(key, (*batch, *self.domain_shape))

    def measured(
        self, views: Real[Array | np.ndarray, "*batch angles detectors"]
    ) -> Real[Array, "*batch angles detectors"]:
        """The views with zeros in the place of those that are not measured."""
        views = as_array(views, "views")
        if self.sampled is None:
            return views
        # Not a product: what the others hold may be NaN.
        return jnp.where(self.sampled[..., None] > 0, views, 0)

"""Fan-beam projection as a linear operator."""

import dataclasses

import jax
import numpy as np
from jaxtyping import Array, Float, Real

from sisr_jax.operators import LinearOperator
from sisr_jax.reals import as_real
from sisr_jax.tomography.fan_beam import back_project, project
from sisr_jax.tomography.fan_fbp import TURN, fan_fbp
from sisr_jax.tomography.fan_geometry import FanBeam
from sisr_jax.tomography.fan_planning import PlannedFan, plan_fan
from sisr_jax.tomography.geometry import no_channels
from sisr_jax.tomography.preconditioner import SATURATION, saturating_ramp_filter
from sisr_jax.tomography.ray_table import sharpening
from sisr_jax.tomography.weights import angular_gaps_of, directions, shares
from sisr_jax.types import Sinogram, SquarePlane

# Coarse detectors see frequencies of the pixels that alias, and rays that meet pixels
# in their middle are not blurred: what that adds to the norm of `A^T P A` in the tests.
_MARGIN = 1.26


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class FanBeamCT(LinearOperator):
    """Line integrals of square images along fan beams.

    `A(x)` takes images `[*batch, size, size]` in 1/mm to `[*batch, angles,
    detectors]` without unit, `-log` of the share of photons that pass; `A.T(y)` is
    its exact transpose. `fan_geometry` says where the rays are, `ray_table` how they
    are integrated. Float64 stays float64, everything else is computed in float32.

    Attributes:
        fan: The rays. Their table is made with the operator.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.tomography import FanBeam, FanBeamCT
        >>> fan = FanBeam(
        ...     size=16,
        ...     pixel_mm=2.0,
        ...     source_to_origin_mm=100.0,
        ...     source_to_detector_mm=200.0,
        ...     num_detectors=33,
        ...     detector_pitch_mm=4.0,
        ...     angles=2 * np.pi * np.arange(24) / 24,
        ... )
        >>> A = FanBeamCT(fan)
        >>> A.domain_shape, A.range_shape
        ((16, 16), (24, 33))
        >>> views = A(np.full((16, 16), 0.05))  # in 1/mm, over 32 mm
        >>> print(f"{views[0, 16]:.1f}")
        1.6
    """

    fan: FanBeam | PlannedFan

    def __post_init__(self) -> None:
        if isinstance(self.fan, FanBeam):
            object.__setattr__(self, "fan", plan_fan(self.fan))

    @property
    def rays(self) -> FanBeam:
        """The rays without their table."""
        return self.fan.fan if isinstance(self.fan, PlannedFan) else self.fan

    @property
    def domain_shape(self) -> tuple[int, int]:
        """Height and width of an image in pixels."""
        return self.rays.size, self.rays.size

    @property
    def range_shape(self) -> tuple[int, int]:
        """Numbers of views and of detectors."""
        return self.rays.num_angles, self.rays.num_detectors

    def __call__(self, x: Real[Array | np.ndarray, "*batch size size"], /) -> Sinogram:
        """Projects images.

        Raises:
            ValueError: If the shape is another.
        """
        return project(_checked("image", x, self.domain_shape), self.fan)

    def transpose(
        self, y: Real[Array | np.ndarray, "*batch angles detectors"], /
    ) -> SquarePlane:
        """Back-projects views: the transpose of a call, not a reconstruction.

        Raises:
            ValueError: If the shape is another.
        """
        return back_project(_checked("sinogram", y, self.range_shape), self.fan)

    def fbp(
        self,
        y: Real[Array | np.ndarray, "*batch angles detectors"],
        *,
        filter_name: str | None = "ramp",
    ) -> SquarePlane:
        """Filtered back-projection, see `fan_fbp`.

        Raises:
            ValueError: If the shape is another, or the filter unknown.
        """
        y = _checked("sinogram", y, self.range_shape)
        return fan_fbp(y, self.rays, filter_name=filter_name)

    def precondition(
        self, residual: Real[Array | np.ndarray, "*batch angles detectors"]
    ) -> Sinogram:
        """Filters every view with a ramp that saturates, and weighs it by its gaps.

        As `ParallelBeamCT.precondition`, for the parallel views that the rays of a fan
        belong to. The norm of `A^T P A` is 0.3 to 1 over the geometries of the tests.
        """
        rays = self.rays
        found = directions(rays.angles, TURN)
        ends = angular_gaps_of(found).max(axis=0)
        arc = TURN - found.gaps.max() * found.unmeasured.any()
        # More than half a turn measures lines twice.
        weights = shares(found) / (2 if arc > np.pi else 1) / rays.pixel_mm**2
        pitch = rays.pitch_at_origin_mm / rays.pixel_mm
        saturation = SATURATION * pitch / (rays.size * np.maximum(ends, 1e-6))

        def response(frequency: np.ndarray) -> np.ndarray:
            # Detectors wider than pixels see their highest frequency in any of theirs.
            along = frequency / pitch if pitch <= 1 else np.full_like(frequency, 0.5)
            return 1 / (_MARGIN * sharpening(along) ** 2)

        residual = _checked("residual", residual, self.range_shape)
        return saturating_ramp_filter(residual, weights, saturation, response)


def _checked(
    name: str, values: Real[Array | np.ndarray, "..."], shape: tuple[int, int]
) -> Float[Array, "..."]:
    """Values of a shape, as float32 unless they are float64."""
    array = as_real(values, name)
    if array.shape[-2:] != shape:
        raise ValueError(
            f"{name} of shape {array.shape}: expected [..., {shape[0]}, {shape[1]}]"
            f"{no_channels(array)}"
        )
    return array

"""Parallel-beam CT: projection, its exact transpose and filtered back-projection.

Conventions, those of scikit-image's `radon` and `iradon` with `circle=False`:

* A plane is `[..., row, column]`, rows downwards; a sinogram is
  `[..., angle, detector]` (scikit-image has the transpose of that).
* Lengths are in pixels, the detector pitch is one pixel, angles are radians.
  A sinogram value is a line integral: pixel value times pixels.
* The rotation centre is the centre of pixel `size // 2` along both axes, and is
  seen by detector `num_detectors // 2` at every angle.
* With `x` to the right and `y` upwards from that centre, detector offset `s` at
  angle `t` collects the line `x cos t + y sin t = s`. Angle 0 therefore sums
  down the columns, and the angle grows anti-clockwise on the displayed image.

Every operator has two methods, see `radon`: matrix products by default, and the
numerics of scikit-image 0.26 in every detail with `method="reference"` (and, in `fbp`,
`weights="uniform"`). The package needs only jax, numpy and jaxtyping.
"""

from sisr_jax.tomography.detector_faults import remove_outliers, remove_rings
from sisr_jax.tomography.fan_geometry import FanBeam, FanScan
from sisr_jax.tomography.fan_operator import FanBeamCT
from sisr_jax.tomography.fbp import fbp
from sisr_jax.tomography.geometry import ParallelBeam
from sisr_jax.tomography.operator import ParallelBeamCT
from sisr_jax.tomography.planning import PlannedBeam, plan, plan_sharding
from sisr_jax.tomography.radon import back_project, radon
from sisr_jax.tomography.rotation_axis import (
    axis_from_moments,
    axis_from_pair,
    onto_axis,
)
from sisr_jax.tomography.transmission import line_integrals
from sisr_jax.tomography.weights import angular_weights

__all__ = [
    "FanBeam",
    "FanBeamCT",
    "FanScan",
    "ParallelBeam",
    "ParallelBeamCT",
    "PlannedBeam",
    "angular_weights",
    "axis_from_moments",
    "axis_from_pair",
    "back_project",
    "fbp",
    "line_integrals",
    "onto_axis",
    "plan",
    "plan_sharding",
    "radon",
    "remove_outliers",
    "remove_rings",
]

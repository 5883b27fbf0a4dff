"""CT with few fan-beam views or few photons: project, add noise, back-project."""

import dataclasses
import functools

import jax

from sisr_jax.degradation.degradation import Degradation, one_for_each, planes_of
from sisr_jax.degradation.dose import LowDose
from sisr_jax.tomography import FanBeam, FanBeamCT
from sisr_jax.types import Image, Keys, Measurement


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("operator",),
    meta_fields=("filter_name", "dose"),
)
@dataclasses.dataclass(frozen=True, eq=False)
class _SparseViewFanCT(Degradation):
    """Sparse fan-beam views, noise, and filtered back-projection."""

    operator: FanBeamCT
    filter_name: str | None
    dose: LowDose | None

    def measure(self, keys: Keys, hr: Image) -> Measurement:
        """Views `[batch, angles, detectors]`: integrals of images in [0, 1], in mm."""
        operator = self.operator
        views = operator(planes_of(hr))
        if self.dose is not None:
            keys = one_for_each(keys, len(hr))
            noise = jax.vmap(lambda each: jax.random.fold_in(each, 1))(keys)
            views = self.dose.spoil(noise, views, operator)
        return Measurement(views, operator)

    def estimate(self, measurement: Measurement) -> Image:
        """Filtered back-projection; streaks leave [0, 1], nothing is clipped."""
        views, operator = measurement
        return operator.fbp(views, filter_name=self.filter_name)[..., None]


def sparse_view_fan_ct(
    fan: FanBeam, *, filter_name: str | None = "ramp", dose: LowDose | None = None
) -> Degradation:
    """Sparse-view CT with a fan beam: project along the views, then back-project.

    As `sparse_view_ct`, with the rays of a scanner. Images are in [0, 1] and lengths in
    mm, so a measurement is in mm: pixel value times length of the ray.

    Args:
        fan: Rays of the kept views, `FanBeam(...).every(factor)`; its size is the image
            side.
        filter_name: Filter of the back-projection, see `tomography.fbp`.
        dose: Noise of the scan; none by default. Its `pixel_mm` is 1.

    Returns:
        A function `(key, hr[batch, size, size, 1])` to an image of that shape.

    Raises:
        ValueError: If the dose is for line integrals in pixels.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from sisr_jax.degradation import sparse_view_fan_ct
        >>> from sisr_jax.tomography import FanBeam
        >>> fan = FanBeam(
        ...     size=16,
        ...     pixel_mm=2.0,
        ...     source_to_origin_mm=100.0,
        ...     source_to_detector_mm=200.0,
        ...     num_detectors=33,
        ...     detector_pitch_mm=4.0,
        ...     angles=2 * np.pi * np.arange(24) / 24,
        ... )
        >>> scan = sparse_view_fan_ct(fan.every(4))
        >>> key, hr = jax.random.key(0), jnp.ones((1, 16, 16, 1))
        >>> jax.jit(scan.measure)(key, hr).values.shape, jax.jit(scan)(key, hr).shape
        ((1, 6, 33), (1, 16, 16, 1))
    """
    if dose is not None and dose.pixel_mm != 1:
        raise ValueError(
            f"dose.pixel_mm = {dose.pixel_mm}: expected 1, as line integrals of a fan "
            "are in mm"
        )
    return _SparseViewFanCT(FanBeamCT(fan), filter_name, dose)

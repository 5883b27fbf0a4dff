"""Noise of a scan at low dose, in the units of its images."""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sisr_jax.explicit_meshes import placed_alike
from sisr_jax.operators import LinearOperator
from sisr_jax.tomography.noise import WATER_PER_MM, low_dose
from sisr_jax.types import Key, Keys, Sinogram


@dataclasses.dataclass(frozen=True)
class LowDose:
    """A scan with so few photons that their noise shows; see `tomography.noise`.

    Attributes:
        photons: Photons sent along every ray, or the fewest and the most of them, drawn
            for each image, evenly on a logarithmic scale.
        electronic_noise: Standard deviation of the electronics, in photons.
        pixel_mm: Width of a pixel in mm, where line integrals are in pixels; 1 where
            they are in mm.
        window: HU that are 0 and 1 in the images, from -1000, where nothing is
            attenuated.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from sisr_jax.degradation import LowDose
        >>> from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
        >>> A = ParallelBeamCT(ParallelBeam(size=16, num_angles=24))
        >>> dose = LowDose(photons=1e4, pixel_mm=0.5)
        >>> air = jnp.zeros((1, 24, 23))
        >>> keys = jax.random.split(jax.random.key(0), 1)
        >>> noise = jax.jit(dose.spoil)(keys, air, A)
        >>> print(f"{noise.std() * 0.5 * 2 * 0.0193:.3f}")  # 1 / sqrt(photons)
        0.010
    """

    photons: float | tuple[float, float]
    electronic_noise: float = 0.0
    pixel_mm: float = 0.7
    window: tuple[float, float] = (-1000.0, 1000.0)

    def __post_init__(self) -> None:
        fewest, most = self.range
        if not 0 < fewest <= most < math.inf:
            raise ValueError(f"photons = {self.photons}: expected 0 < fewest <= most")
        if not -1000 <= self.window[0] < self.window[1]:
            raise ValueError(
                f"window = {self.window}: expected to start at -1000 HU or above"
            )

    @property
    def range(self) -> tuple[float, float]:
        """Fewest and most photons."""
        photons = self.photons
        return photons if isinstance(photons, tuple) else (photons, photons)

    def spoil(
        self, keys: Keys, sinogram: Sinogram, operator: LinearOperator
    ) -> Sinogram:
        """What the scan reads instead of the line integrals of the images.

        Attenuation is affine in the image, so its line integrals are those of the image
        scaled and, unless the window starts at air, a multiple of those of a constant.

        Args:
            keys: One for each image.
            sinogram: Line integrals of images in [0, 1], `[batch, angles, detectors]`.
            operator: What projected them.
        """
        low, high = self.window
        water = WATER_PER_MM * self.pixel_mm
        scale, floor = water * (high - low) / 1000, water * (1 + low / 1000)
        offset = jnp.zeros((), sinogram.dtype)
        if floor:
            offset = operator(jnp.full(operator.domain_shape, floor, sinogram.dtype))
        attenuation = scale * sinogram + offset
        noisy = placed_alike(jax.vmap(self._measured), attenuation, keys)
        return (noisy - offset) / scale

    def _measured(
        self, attenuation: Float[Array, "angles detectors"], key: Key
    ) -> Float[Array, "angles detectors"]:
        fewest, most = self.range
        photons = fewest
        if fewest < most:
            draw = jax.random.uniform(jax.random.fold_in(key, 2))
            photons = fewest * (most / fewest) ** draw
        return low_dose(
            key, attenuation, photons=photons, electronic_noise=self.electronic_noise
        )

"""What the sections about different degradations have in common."""

import dataclasses
from typing import Annotated, Literal

from sisr_jax.config.checks import check
from sisr_jax.config.data import Data
from sisr_jax.config.ranges import Range

Factor = Annotated[int, Range(1, 2**16)]
PixelWidth = Annotated[float, Range(0, 100, above=True)]
Filter = Literal["ramp", "shepp-logan", "cosine", "hamming", "hann"]
_Photons = Annotated[float, Range(0, 1e12)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exposure:
    """How many photons a scan spends; see `tomography.noise`.

    Attributes:
        photons: Fewest and most photons along a ray, drawn for each image, evenly on a
            logarithmic scale; (0, 0): a scan without noise.
        electronic_noise: Standard deviation of the electronics, in photons.
    """

    photons: tuple[_Photons, _Photons]
    electronic_noise: Annotated[float, Range(0, 1e6)]

    @property
    def is_noisy(self) -> bool:
        """Whether there is any noise."""
        return self.photons[1] > 0

    def check(self, data: Data) -> None:
        """Raises ConfigError for values that do not go with the images."""
        fewest, most = self.photons
        check(
            (fewest, most) == (0, 0) or 0 < fewest <= most,
            "degradation.dose.photons",
            self.photons,
            "(0, 0), or 0 < fewest <= most",
        )
        check(
            self.is_noisy or self.electronic_noise == 0,
            "degradation.dose.electronic_noise",
            self.electronic_noise,
            "0, as degradation.dose.photons = (0, 0) is a scan without noise",
        )
        check(
            not self.is_noisy or data.window[0] >= -1000,
            "data.window",
            data.window,
            "to start at -1000 HU (no attenuation) or above for a scan with noise",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dose(Exposure):
    """How many photons a scan spends, and how wide its pixels are.

    Attributes:
        photons: See `Exposure`.
        electronic_noise: See `Exposure`.
        pixel_mm: Width of a pixel in mm.
    """

    pixel_mm: PixelWidth


def check_views(data: Data, *, factor: int, num_angles: int) -> None:
    """Raises ConfigError if images are not square, or no view is left."""
    square = data.shape[0] == data.shape[1]
    check(square, "data.shape", data.shape, "square for CT")
    check(
        factor <= num_angles,
        "degradation.factor",
        factor,
        f"at most degradation.num_angles = {num_angles}",
    )


def check_same_factor(factor: int, *, own: int) -> None:
    """Raises ConfigError for another factor than the section's own."""
    check(factor == own, "degradation.factor", factor, f"{own}, as in training")

"""The measured scans, what the organisers made of them, and where the disc is."""

import dataclasses
import pathlib

import jax.numpy as jnp
import numpy as np

from sisr_jax.data.formats.matlab import read_mat_file
from sisr_jax.data.scans import read_helsinki
from sisr_jax.tomography import FanBeam
from sisr_jax.tomography.fan_fbp import fan_fbp

# File names have the word "full" twice for some.
NAMES = ("ta", "tb", "solid_disc", "01a", "02b", "03c", "04a")
TUNED_ON = "ta"
SIZE = 512
# Attenuation, per mm, that is 1 in an image: acrylic, some 0.032, is 0.5, as water is
# in the window of the CT slices that the shipped weights were trained on.
WINDOW = 0.064
# Of PSNR: about that of acrylic.
RANGE = 0.032
# Holes are air; half of acrylic tells them apart.
_THRESHOLD = 0.016


@dataclasses.dataclass(frozen=True)
class Scan:
    """A scan of one turn, without the view that is measured twice.

    Attributes:
        sinogram: `[720, detectors]`.
        fan: Its rays.
        full: Filtered back-projection of all views, per mm.
        theirs: That of the organisers, per mm.
    """

    sinogram: np.ndarray
    fan: FanBeam
    full: np.ndarray
    theirs: np.ndarray

    @property
    def disc(self) -> tuple[float, float, float]:
        """Middle (row, column) and radius in pixels, from where acrylic begins."""
        solid = self.full > _THRESHOLD
        rows, columns = (np.flatnonzero(solid.any(axis)) for axis in (1, 0))
        ends = [(each[0], each[-1]) for each in (rows, columns)]
        middle = [(first + last) / 2 for first, last in ends]
        radius = sum(last - first + 1 for first, last in ends) / 4
        return middle[0], middle[1], radius

    def inside(self, share: float) -> np.ndarray:
        """Pixels within a share of the disc's radius."""
        row, column, radius = self.disc
        pixel = np.arange(SIZE)
        return np.hypot(pixel[:, None] - row, pixel - column) <= share * radius


def load(folder: pathlib.Path, name: str) -> Scan:
    """Reads a scan and reconstructs it from all views."""
    scan = read_helsinki(folder / f"htc2022_{name}_full.mat", size=SIZE)
    (path,) = folder.glob(f"htc2022_{name}*recon_fbp.mat")
    theirs = read_mat_file(path, ["reconFullFbp"])["reconFullFbp"]
    # All 721, as the organisers have it.
    full = fan_fbp(jnp.asarray(scan.sinogram), scan.fan)
    angles = scan.fan.angles
    fan = scan.fan.within(angles[0], angles[-2])
    return Scan(
        scan.sinogram[: fan.num_angles],
        fan,
        np.asarray(full, np.float64),
        theirs / fan.pixel_mm,
    )

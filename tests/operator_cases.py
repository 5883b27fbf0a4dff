"""Operators of the package, each made anew by a call."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.tomography import FanBeam, FanBeamCT, ParallelBeam, ParallelBeamCT
from sisr_jax.ultrasound import (
    CartesianGrid,
    KeptLines,
    LateralDecimation,
    PolarGrid,
    ScanConversion,
)

POLAR = PolarGrid.equispaced(
    14, 9, first_radius=10, radial_step=1.5, first_angle=-0.55, angle_step=0.13
)
CARTESIAN = CartesianGrid(shape=(17, 12), spacing=(1.5, 2.0), origin=(8.0, -12.0))
FAN = FanBeam(
    size=9,
    pixel_mm=0.5,
    source_to_origin_mm=20.0,
    source_to_detector_mm=30.0,
    num_detectors=11,
    detector_pitch_mm=0.8,
    angles=np.arange(7) * 2 * np.pi / 7,
)
SAMPLED = np.array([[0.4, 0, 0.4, 0.4, 0, 0.4, 0.4], [0, 0.9, 0, 0, 0.9, 0, 0.9]])
LINES = np.array([[1, 0, 0, 1, 0, 0], [0, 1, 0, 1, 0, 1]])

MAKE = {
    "CT": lambda: ParallelBeamCT(ParallelBeam(9, 7)),
    "CT, sampled": lambda: ParallelBeamCT(
        ParallelBeam(9, 7), sampled=jnp.float32(SAMPLED)
    ),
    "fan": lambda: FanBeamCT(FAN),
    "lines": lambda: LateralDecimation(3, 1),
    "lines of each image": lambda: KeptLines(jnp.float32(LINES)),
    "sector": lambda: ScanConversion(POLAR, CARTESIAN),
    "sector of few lines": lambda: (
        ScanConversion(POLAR.every(3), CARTESIAN) @ LateralDecimation(3)
    ),
}
each = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def images_of(operator, key=1, batch=()):
    drawn = operator.draw(jax.random.key(key))
    return jax.random.normal(jax.random.key(key), (*batch, *drawn.shape))

"""What is measured of an image, with the matrices that this takes.

The same acquisition stands behind the degraded image, every baseline and the data
residual, so its matrices are made once.
"""

import dataclasses
import functools
from typing import Any

import jax
from jax import Array

from sisr_jax.config import Config, LateralDecimation, SparseViewCT
from sisr_jax.degradation import Degradation, sparse_beam
from sisr_jax.evaluation.protocol import Protocol
from sisr_jax.tomography import ParallelBeam, fbp, plan, radon
from sisr_jax.types import Image
from sisr_jax.ultrasound import decimate_columns


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("kept", "full"),
    meta_fields=("degradation", "projector", "weights"),
)
@dataclasses.dataclass(frozen=True, eq=False)
class Acquisition:
    """The measurement, a linear function of the image and free of noise.

    A pytree of the matrices of its beams: passed to `jit` as an argument, it brings
    them along as inputs, where a closure would copy them into the program.

    Attributes:
        degradation: What is left out.
        projector: How rays are integrated and views read, see `tomography.radon`
            (CT).
        weights: What a view counts in a reconstruction, see `tomography.fbp` (CT).
        kept: The rays that are measured (CT, else None), planned for `matmul`.
        full: The rays before any were left out (CT, else None), likewise.
    """

    degradation: SparseViewCT | LateralDecimation
    projector: Any
    weights: Any
    kept: Any
    full: Any

    def __call__(self, image: Image) -> Array:
        """Measures `[batch, height, width, 1]`.

        Returns:
            CT: the kept views `[batch, angles, detectors]`; ultrasound: the kept
            columns `[batch, height, width // factor, 1]`.
        """
        if isinstance(self.degradation, SparseViewCT):
            return self.project(image, self.kept)
        factor, offset = self.degradation.factor, self.degradation.offset
        lines = decimate_columns(image[..., 0], factor=factor, offset=offset)
        return lines[..., None]

    def project(self, image: Image, beam: Any) -> Array:
        """Views `[batch, angles, detectors]` of an image along `kept` or `full`."""
        return radon(image[..., 0], beam, self.projector)

    def reconstruct(self, views: Array, beam: Any, filter_name: str) -> Image:
        """Filtered back-projection of the views of `kept` or `full`."""
        planes = fbp(views, beam, filter_name, self.projector, self.weights)
        return planes[..., None]


def acquisition(
    config: Config, protocol: Protocol, degrade: Degradation | None = None
) -> Acquisition:
    """The acquisition of a protocol; its full beam is not planned yet.

    Args:
        config: The degradation, and for CT the shape.
        protocol: Of that configuration.
        degrade: That configuration's degradation: its matrices are used again.
    """
    degradation = config.degradation
    if not isinstance(degradation, SparseViewCT):
        return Acquisition(degradation, None, None, None, None)
    kept: Any = sparse_beam(config)
    if protocol.projector == "matmul":
        kept = getattr(degrade, "beam", None) or plan(kept)
    return Acquisition(
        degradation, protocol.projector, protocol.weights, kept, full_beam(config)
    )


def full_beam(config: Config) -> ParallelBeam:
    """All views of a sparse-view CT configuration, before any is left out."""
    degradation = config.degradation
    if not isinstance(degradation, SparseViewCT):
        raise ValueError(f"{degradation.kind} has no projection geometry")
    return ParallelBeam(size=config.data.shape[0], num_angles=degradation.num_angles)


def with_full_plan(acquire: Acquisition) -> Acquisition:
    """Plans the full beam where `matmul` reads it: hundreds of megabytes."""
    if acquire.projector != "matmul":
        return acquire
    return dataclasses.replace(acquire, full=plan(acquire.full))

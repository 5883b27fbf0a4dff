"""Fan-beam projection and its exact transpose, by the ray table."""

import functools
import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from sisr_jax.explicit_meshes import placed_alike
from sisr_jax.tomography.adjoint import transposed_pair
from sisr_jax.tomography.fan_planning import PlannedFan, views_of
from sisr_jax.tomography.ray_table import multiply, sharpen
from sisr_jax.tomography.square_symmetry import from_slots, to_slots


def _project(
    image: Float[Array, "*batch size size"], planned: PlannedFan
) -> Float[Array, "*batch angles detectors"]:
    return placed_alike(_views, image, planned)


def _back_project(
    sinogram: Float[Array, "*batch angles detectors"], planned: PlannedFan
) -> Float[Array, "*batch size size"]:
    return placed_alike(_views_spread, sinogram, planned)


def _views(
    image: Float[Array, "*batch size size"], planned: PlannedFan
) -> Float[Array, "*batch angles detectors"]:
    fan, shared = planned.fan, views_of(planned.fan)
    batch = image.shape[:-2]
    planes = image.reshape(math.prod(batch), fan.size, fan.size)
    # Planes last: a ray reads the pixel of all of them at once.
    planes = sharpen(planes.transpose(1, 2, 0))
    moved = jnp.stack([move.undone(planes) for move in shared.moves], axis=2)
    views = multiply(planned.project, moved.reshape(fan.size**2, -1))
    counts = len(shared.angles), fan.num_detectors, len(shared.moves), -1
    views = views.reshape(counts).transpose(2, 0, 1, 3)
    views = from_slots(views, shared)
    return views.reshape(*batch, fan.num_angles, fan.num_detectors)


def _views_spread(
    sinogram: Float[Array, "*batch angles detectors"], planned: PlannedFan
) -> Float[Array, "*batch size size"]:
    """`_views` backwards, step by step."""
    fan, shared = planned.fan, views_of(planned.fan)
    batch = sinogram.shape[:-2]
    views = sinogram.reshape(math.prod(batch), *sinogram.shape[-2:])
    views = to_slots(views, shared).transpose(1, 2, 0, 3)
    rows = len(shared.angles) * fan.num_detectors
    moved = multiply(planned.back_project, views.reshape(rows, -1))
    moved = moved.reshape(fan.size, fan.size, len(shared.moves), -1)
    done = [move.done(moved[:, :, at]) for at, move in enumerate(shared.moves)]
    planes = functools.reduce(jnp.add, done)
    return sharpen(planes).transpose(2, 0, 1).reshape(*batch, fan.size, fan.size)


# Differentiation would scatter what the transposed table gathers.
project, back_project = transposed_pair(_project, _back_project)

"""Fan-beam projection and its exact transpose, by the ray table."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sisr_jax.explicit_meshes import placed_alike
from sisr_jax.tomography.adjoint import LinearMap, transposed_pair
from sisr_jax.tomography.fan_planning import PlannedFan, views_of
from sisr_jax.tomography.ray_table import multiply, sharpen
from sisr_jax.tomography.square_symmetry import from_slots, to_slots


def _project(
    image: Float[Array, "*batch size size"], planned: PlannedFan
) -> Float[Array, "*batch angles detectors"]:
    return placed_alike(functools.partial(_on_platform, _views), image, planned)


def _back_project(
    sinogram: Float[Array, "*batch angles detectors"], planned: PlannedFan
) -> Float[Array, "*batch size size"]:
    spread = functools.partial(_on_platform, _views_spread)
    return placed_alike(spread, sinogram, planned)


# Compiled as one, also for who calls it without `jit`: a loop that is not would be
# compiled again with each call.
@functools.partial(jax.jit, static_argnums=0)
def _on_platform(
    function: LinearMap, values: Float[Array, "..."], planned: PlannedFan
) -> Float[Array, "..."]:
    few = functools.partial(_few_at_a_time, function)
    return lax.platform_dependent(values, planned, cpu=few, default=function)


def _few_at_a_time(
    function: LinearMap, values: Float[Array, "..."], planned: PlannedFan
) -> Float[Array, "..."]:
    """A batch in groups, one after the other, for a CPU.

    Moved images of a whole batch do not fit its caches, nor what its allocator keeps;
    too few would read the table too often. A group has about as many moved pixels as
    the table has entries.
    """
    moved_pixels = planned.fan.size**2 * len(views_of(planned.fan).moves)
    entries = sum(part.weights.size for part in planned.project)
    most = max(1, round(entries / moved_pixels))
    planes = values.reshape(-1, *values.shape[-2:])
    num_groups = math.ceil(len(planes) / most)
    if num_groups <= 1:
        return function(values, planned)
    count = math.ceil(len(planes) / num_groups)
    whole = len(planes) // count * count
    groups = planes[:whole].reshape(-1, count, *planes.shape[1:])
    result = lax.map(lambda group: function(group, planned), groups)
    result = result.reshape(whole, *result.shape[2:])
    if whole < len(planes):
        rest = function(planes[whole:], planned)
        result = jnp.concatenate([result, rest])
    return result.reshape(*values.shape[:-2], *result.shape[1:])


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

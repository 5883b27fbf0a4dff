"""Batches of images, dealt out to the devices of this process."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import AxisType, Mesh, PartitionSpec
from jaxtyping import Array

_AXIS = "images"


@functools.cache
def local_mesh() -> Mesh:
    """All devices of this process in a row."""
    devices = np.asarray(jax.local_devices())
    return Mesh(devices, (_AXIS,), axis_types=(AxisType.Auto,))


def is_placed(values: Any) -> bool:
    """Whether devices are chosen already.

    Some of a pytree is traced, or lies where its owner put it, or there is a mesh that
    all programs run on.
    """
    return not jax.sharding.get_abstract_mesh().empty or any(
        isinstance(leaf, Tracer) or getattr(leaf, "committed", False)
        for leaf in jax.tree.leaves(values)
    )


def over_devices(function: Callable[[Any, Array], Any]) -> Callable[[Any, Array], Any]:
    """Maps over a batch, a part of which is given to each device of `local_mesh`.

    Args:
        function: Of what all devices need, a pytree, and some rows of the batch;
            returns a pytree of arrays with these rows in front.

    Returns:
        The same function of all rows, the last of which is repeated until their number
        divides by that of the devices.
    """
    mesh = local_mesh()
    everywhere, by_rows = PartitionSpec(), PartitionSpec(_AXIS)
    # Nothing here is differentiated, so that nobody needs to know what varies.
    dealt = jax.shard_map(
        function,
        mesh=mesh,
        in_specs=(everywhere, by_rows),
        out_specs=by_rows,
        check_vma=False,
    )

    def mapped(shared: Any, batch: Array) -> Any:
        missing = -len(batch) % mesh.size
        padded = jnp.concatenate([batch, jnp.repeat(batch[-1:], missing, 0)])
        found = dealt(shared, padded)
        return jax.tree.map(lambda leaf: leaf[: len(batch)], found)

    return mapped

"""Devices: the mesh, how arrays lie on it, and batches put there.

One mesh with the axes `data` and `model` serves one CPU, eight virtual devices
and a pod slice alike. Batches are split along `data`; the state is replicated.
The axes are `Auto`: the compiler places the collectives, which for a
convolutional GAN step are gradient all-reduces and nothing else.
"""

from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from sisr_jax.errors import InputError
from sisr_jax.types import Batch


def make_mesh(num_devices: int | None = None) -> Mesh:
    """A `(data, model)` mesh over the first `num_devices` devices (default all)."""
    devices = jax.devices()[:num_devices]
    return jax.make_mesh(
        (len(devices), 1),
        ("data", "model"),
        axis_types=(AxisType.Auto, AxisType.Auto),
        devices=devices,
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The leading axis split along `data`."""
    return NamedSharding(mesh, PartitionSpec("data"))


def check_divisible(batch_size: int, mesh: Mesh, name: str) -> None:
    """Checks that a global batch can be split evenly.

    Args:
        batch_size: Global batch size.
        mesh: The mesh it is split over.
        name: Dotted config key, for the message.

    Raises:
        InputError: With the arithmetic.
    """
    for count, what in (
        (mesh.shape["data"], "devices"),
        (jax.process_count(), "processes"),
    ):
        if batch_size % count:
            raise InputError(
                f"config.{name} = {batch_size}: must be a multiple of the {count} "
                f"{what} it is split over ({batch_size} % {count} = "
                f"{batch_size % count})"
            )


def to_devices(batch: Batch, mesh: Mesh) -> Batch:
    """Puts this process's share of a batch on its devices as one global batch."""
    sharding = batch_sharding(mesh)

    def put(leaf: Any) -> jax.Array:
        return jax.make_array_from_process_local_data(sharding, leaf)

    return Batch(*map(put, batch))

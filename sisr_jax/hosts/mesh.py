"""Devices: the mesh, how arrays lie on it, and batches put there.

One mesh with the axes `data` and `model` serves one CPU, eight virtual devices
and the hosts of a pod slice alike. Batches are split along `data`: each process
holds the rows of its own devices (`local_rows`). The state is replicated, but for
the discriminator's dense head, which the devices along `model` share.
The axes are `Auto`: the compiler places the collectives, which for a
convolutional GAN step are gradient all-reduces and nothing else.
"""

import itertools
import os
from typing import Any

import jax
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from sisr_jax.errors import InputError
from sisr_jax.hosts.leaving import is_loss

AXES = ("data", "model")
AXIS_TYPES = (AxisType.Auto, AxisType.Auto)


def check_devices() -> None:
    """Finds the devices of this process.

    Raises:
        InputError: If there are none of the kind that `JAX_PLATFORMS` asks for.
    """
    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:
        if is_loss(error):
            raise
        platforms = os.environ.get("JAX_PLATFORMS", "")
        line = " ".join(str(error).split()) or "JAX has no such platform"
        raise InputError(f"JAX_PLATFORMS={platforms}: no device: {line}") from error


def make_mesh(num_devices: int | None = None, *, model: int = 1) -> Mesh:
    """A `(data, model)` mesh over the first devices.

    Args:
        num_devices: How many devices, of all processes; all if None.
        model: Size of the axis `model`.

    Raises:
        InputError: If the devices do not divide by it.
    """
    devices = jax.devices()[:num_devices]
    shape = mesh_shape(len(devices), model)
    return jax.make_mesh(shape, AXES, axis_types=AXIS_TYPES, devices=devices)


def mesh_shape(num_devices: int, model: int) -> tuple[int, int]:
    """Sizes of the axes `data` and `model`; see `make_mesh`."""
    if num_devices % model:
        raise InputError(
            f"config.mesh.model = {model}: expected a divisor of the {num_devices} "
            "devices"
        )
    return num_devices // model, model


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The leading axis split along `data`."""
    return NamedSharding(mesh, PartitionSpec("data"))


def model_sharding(mesh: Mesh) -> NamedSharding:
    """The leading axis split along `model`."""
    return NamedSharding(mesh, PartitionSpec("model"))


def check_divisible(batch_size: int, mesh: Mesh, name: str) -> None:
    """Checks that a global batch can be split evenly.

    Args:
        batch_size: Global batch size.
        mesh: The mesh it is split over.
        name: Dotted config key, for the message.

    Raises:
        InputError: With the arithmetic.
    """
    count = mesh.shape["data"]
    what = "devices" if mesh.shape["model"] == 1 else "groups of devices"
    if batch_size % count:
        raise InputError(
            f"config.{name} = {batch_size}: must be a multiple of the {count} "
            f"{what} it is split over ({batch_size} % {count} = "
            f"{batch_size % count})"
        )


def local_rows(mesh: Mesh, batch_size: int) -> tuple[int, ...]:
    """Rows of a global batch that the devices of this process hold, ascending.

    Every row is held by some process, so that together they read each image once;
    by several only where the axis `model` spans them.
    """
    held = batch_sharding(mesh).addressable_devices_indices_map((batch_size,))
    parts = [range(batch_size)[index[0]] for index in held.values() if index]
    return tuple(sorted(set(itertools.chain(*parts))))


def to_devices(batch: Any, mesh: Mesh) -> Any:
    """Puts this process's rows of a batch on its devices as one global batch.

    Args:
        batch: Arrays `[len(local_rows), ...]`, for instance a `Batch`.
        mesh: Devices.
    """
    sharding = batch_sharding(mesh)
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(sharding, leaf), batch
    )


def to_host(tree: Any) -> Any:
    """Whole arrays on every process, as NumPy; all processes must call it alike."""
    if jax.process_count() == 1:
        return jax.device_get(tree)
    return multihost_utils.process_allgather(tree, tiled=True)

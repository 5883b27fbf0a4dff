"""The steps of a run, compiled for chips that are not there."""

import importlib.util
import os
import threading
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh

from sisr_jax.aot.chips import Topology
from sisr_jax.aot.measurement import Measured, measure
from sisr_jax.config import Config
from sisr_jax.errors import InputError
from sisr_jax.evaluation.scoring import compile_validation
from sisr_jax.hosts.mesh import (
    AXES,
    AXIS_TYPES,
    batch_sharding,
    check_divisible,
    mesh_shape,
    replicated,
)
from sisr_jax.train.phases import schedule
from sisr_jax.train.steps import compile_step
from sisr_jax.train.task import Task, abstract_state, build_task, state_sharding
from sisr_jax.types import Batch

EVALUATION = "evaluation"

# Without them the compiler asks the network which machine it is on, says so at
# length, and refuses to be loaded by a second process.
_COMPILER_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


# The first description of a topology loads the compiler, which two threads must not
# do at once.
_LOADING = threading.Lock()


def check_compiler() -> None:
    """Raises InputError, with the remedy, where the TPU compiler is missing."""
    if importlib.util.find_spec("libtpu") is None:
        raise InputError("the TPU compiler is missing: pip install 'jax[tpu]'")


def topology_devices(topology: Topology) -> list[Any]:
    """The devices of a topology: they can be compiled for, and nothing else.

    Raises:
        InputError: If the compiler is missing or does not know the topology.
    """
    check_compiler()
    for name, value in _COMPILER_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        with _LOADING:
            description = topologies.get_topology_desc(
                str(topology),
                platform="tpu",
                chips_per_host_bounds=topology.host_bounds,
            )
    except jax.errors.JaxRuntimeError as error:
        line = str(error).splitlines()[0]
        raise InputError(f"topology {str(topology)!r}: {line}") from error
    return list(description.devices)


def topology_mesh(topology: Topology, *, model: int = 1) -> Mesh:
    """All devices of a topology on the axes that `parallel.make_mesh` has."""
    devices = topology_devices(topology)
    shape = mesh_shape(len(devices), model)
    if topology.chip.num_devices > 1:
        # `jax.make_mesh` refuses to order the devices of such chips.
        return Mesh(np.asarray(devices).reshape(shape), AXES, axis_types=AXIS_TYPES)
    return jax.make_mesh(shape, AXES, axis_types=AXIS_TYPES, devices=devices)


def program_names(config: Config) -> list[str]:
    """The phases that have steps, in order, and the evaluation."""
    return [*(phase.name for phase in schedule(config.phases)), EVALUATION]


def measure_config(
    config: Config, topology: Topology, only: str | None = None
) -> list[Measured]:
    """Compiles the programs of a run for a topology and reads what comes out.

    Args:
        config: The run.
        topology: Chips it is to run on.
        only: Name of the one program wanted; default all.

    Raises:
        InputError: If the run has no such program, a batch or the weights cannot be
            split over the devices, or the compiler is missing.
    """
    names = program_names(config)
    if only is not None and only not in names:
        raise InputError(f"phase {only!r}: the run has {', '.join(names)}")
    mesh = topology_mesh(topology, model=config.mesh.model)
    check_divisible(config.data.batch_size, mesh, "data.batch_size")
    check_divisible(config.evaluation.batch_size, mesh, "evaluation.batch_size")
    task = build_task(config)
    state_sharding(task, mesh)  # raises if the weights cannot be split
    return [
        _measure_step(task, name, mesh, topology)
        for name in names
        if only in (None, name)
    ]


def _measure_step(task: Task, name: str, mesh: Mesh, topology: Topology) -> Measured:
    whole, config = replicated(mesh), task.config
    # Its arrays cannot be put on devices that are not there.
    task = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole), task
    )
    if name == EVALUATION:
        batch_size, crops = config.evaluation.batch_size, 1
        step = compile_validation(task, mesh)
    else:
        batch_size, crops = config.data.batch_size, config.data.crops_per_image
        step = compile_step(task, name, mesh)

    def trace() -> jax.stages.Traced:
        state = abstract_state(task, state_sharding(task, mesh))
        with jax.set_mesh(mesh):
            batch = _batch(config, batch_size, mesh)
            return cast(Any, step).trace(task, state, batch)

    return measure(
        name,
        trace,
        topology,
        batch_size // mesh.shape["data"] * crops,
        num_devices=mesh.size,
    )


def _batch(config: Config, size: int, mesh: Mesh) -> Batch:
    split = batch_sharding(mesh)

    def shape(dtype: jax.typing.DTypeLike, *dims: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((size, *dims), dtype, sharding=split)

    return Batch(
        hr=shape(jnp.float32, *config.data.shape, 1),
        mask=shape(jnp.bool_),
        index=shape(jnp.int32),
    )

"""Weights of one network, taken from another run's checkpoint."""

from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from etils import epath

from sisr_jax.checkpoints.digests import changed, recorded_digests
from sisr_jax.checkpoints.outages import damage
from sisr_jax.checkpoints.restore import FOLDER, CheckpointError, CheckpointReader
from sisr_jax.storage.files import absolute, check_files, names_in
from sisr_jax.train.state import NetworkState


class Newest(NamedTuple):
    """The weights of a network, and when they were saved.

    Attributes:
        step: Of their checkpoint.
        weights: A mapping with `params` and `batch_stats`, as NumPy arrays.
    """

    step: int
    weights: Any


def load_weights(workdir: epath.Path, name: str, target: NetworkState) -> Any:
    """Takes the weights of one network from another run, to start from.

    Args:
        workdir: See `newest_weights`.
        name: See `newest_weights`.
        target: See `newest_weights`.

    Returns:
        A mapping with `params` and `batch_stats`, as NumPy arrays.

    Raises:
        CheckpointError: See `newest_weights`.
        StorageError: If the storage fails.
    """
    source = f"config.init.{name} = {str(workdir)!r}"
    return newest_weights(workdir, name, target, source=source).weights


def newest_weights(
    workdir: epath.Path, name: str, target: NetworkState, *, source: str
) -> Newest:
    """Reads the weights of one network, and nothing else of a checkpoint.

    They are those of the newest checkpoint that is what was saved.

    Args:
        workdir: Working folder of a run.
        name: `generator` (its moving average is taken) or `discriminator`.
        target: The network here, abstract or concrete.
        source: What the folder was given as, for messages.

    Raises:
        CheckpointError: If there is no checkpoint that can be read, or if the
            architectures differ; names the leaf and both shapes.
        StorageError: If the storage fails.
    """
    step, item = _newest(workdir, name, source)
    found = {
        "params": item["ema"] if name == "generator" else item["params"],
        "batch_stats": item.get("batch_stats") or {},
    }
    wanted = {"params": target.params, "batch_stats": target.batch_stats}
    _check_same_architecture(found, wanted, source)
    return Newest(step, found)


def _newest(workdir: epath.Path, name: str, source: str) -> tuple[int, Any]:
    folder = absolute(workdir) / FOLDER
    if not names_in(folder):
        raise CheckpointError(f"{source}: there is no folder {FOLDER}/ in it")
    reader = CheckpointReader(workdir)
    try:
        steps = reader.steps()
    finally:
        reader.close()
    if not steps:
        raise CheckpointError(f"{source}: it has no complete checkpoint yet")
    for step in reversed(steps):
        try:
            return step, _read(folder / str(step), name)
        except Exception as error:
            reason = damage(error, folder / str(step))
        logging.warning(
            "%s: checkpoint %d cannot be read (%s); trying the one before",
            source,
            step,
            reason,
        )
    raise CheckpointError(f"{source}: none of its checkpoints {steps} can be read")


def _read(checkpoint: epath.Path, name: str) -> Any:
    """Reads one item as NumPy arrays; JAX arrays would need the devices of then."""
    check_files(checkpoint)
    recorded = recorded_digests(checkpoint)
    handler = ocp.PyTreeCheckpointHandler()
    as_numpy = jax.tree.map(
        lambda _: ocp.RestoreArgs(restore_type=np.ndarray),
        handler.metadata(checkpoint / name).tree,
    )
    item = handler.restore(
        checkpoint / name, args=ocp.args.PyTreeRestore(restore_args=as_numpy)
    )
    if recorded is not None and (names := changed({name: item}, recorded)):
        raise CheckpointError(f"{len(names)} arrays are not what was saved")
    return item


def _check_same_architecture(found: Any, wanted: Any, source: str) -> None:
    shapes = [
        {jax.tree_util.keystr(path): leaf.shape for path, leaf in leaves}
        for leaves in map(jax.tree_util.tree_leaves_with_path, (found, wanted))
    ]
    for leaf in sorted(shapes[0].keys() | shapes[1].keys()):
        have, want = shapes[0].get(leaf, "absent"), shapes[1].get(leaf, "absent")
        if have != want:
            raise CheckpointError(
                f"{source}: another architecture: leaf {leaf} is {have} there "
                f"and {want} in this configuration"
            )

"""Reads checkpoints back: that of a step, or the newest one that can be read.

A checkpoint that cannot be read, or is not what was saved, is passed over with a
warning. A storage that is away says nothing about a checkpoint; it ends the run with
`StorageError`.
"""

import dataclasses
import json
from collections.abc import Mapping

import orbax.checkpoint as ocp
from absl import logging
from etils import epath

from sisr_jax.checkpoints.digests import changed, recorded_digests
from sisr_jax.checkpoints.items import join, split
from sisr_jax.checkpoints.outages import (
    damage,
    is_news,
    reporting_saves,
    within_bounds,
)
from sisr_jax.checkpoints.unfinished import is_complete
from sisr_jax.errors import InputError
from sisr_jax.hosts import agreement
from sisr_jax.storage.failures import reporting
from sisr_jax.storage.files import absolute, check_files, names_in
from sisr_jax.train.state import TrainState

FOLDER = "checkpoints"


class CheckpointError(InputError):
    """A checkpoint that cannot be used; the message names it."""


class CheckpointReader:
    """Reads the checkpoints of a working folder, which may be in use by a run."""

    def __init__(self, workdir: epath.Path) -> None:
        """Opens the checkpoints of a working folder without changing anything."""
        options = ocp.CheckpointManagerOptions(
            read_only=True, save_interval_steps=0, create=False
        )
        # Orbax warns that what was asked for is so.
        verbosity = logging.get_verbosity()
        logging.set_verbosity(logging.ERROR)
        try:
            self._open(workdir, options)
        finally:
            logging.set_verbosity(verbosity)

    def _open(self, workdir: epath.Path, options: ocp.CheckpointManagerOptions) -> None:
        logging.get_absl_logger().addFilter(is_news)
        # Orbax insists on absolute paths.
        self._folder = absolute(workdir) / FOLDER
        self._has_failed = False
        with reporting(f"{self._folder}: opening"):
            self._manager = _manager(self._folder, options)

    def steps(self) -> tuple[int, ...]:
        """Steps that have a complete checkpoint, ascending."""
        return tuple(sorted(self._manager.all_steps()))

    def restore(self, step: int, target: TrainState) -> TrainState:
        """Restores the checkpoint of one step.

        Args:
            step: Its step.
            target: Abstract state with shapes, dtypes and shardings.

        Raises:
            CheckpointError: If there is none, or it is damaged.
            StorageError: If the storage fails.
        """
        if step not in self.steps():
            raise CheckpointError(f"{self._folder / str(step)}: there is no checkpoint")
        state, reason = self._sound(step, target)
        if state is None:
            raise CheckpointError(f"{self._folder / str(step)} is damaged: {reason}")
        return state

    def restore_newest(self, target: TrainState) -> TrainState | None:
        """Restores the newest checkpoint that is what was saved.

        Args:
            target: Abstract state with shapes, dtypes and shardings.

        Returns:
            The state, or None if there is no checkpoint at all.

        Raises:
            CheckpointError: If there are checkpoints and none can be read.
            StorageError: If the storage fails.
        """
        for step in reversed(self.steps()):
            state, reason = self._sound(step, target)
            if state is not None:
                return state
            logging.warning(
                "checkpoint %s cannot be read (%s); trying the one before",
                self._folder / str(step),
                reason,
            )
        if self.steps():
            raise CheckpointError(
                f"{self._folder}: none of the checkpoints {self.steps()} can be read"
            )
        return None

    def _sound(self, step: int, target: TrainState) -> tuple[TrainState | None, str]:
        """The state if all processes read what was saved, or why it is not used."""
        state, recorded, reason = None, None, ""
        folder = self._folder / str(step)
        try:
            check_files(folder)
            self._check_description(step)
            recorded = recorded_digests(folder)
            state = self._read(step, target)
        except Exception as error:
            reason = damage(error, folder)
        if not agreement.all_agree(state is not None) or state is None:
            return None, reason or "another process cannot read it"
        reason = _difference(state, step, recorded)
        if not agreement.all_agree(not reason):
            return None, reason or "another process reads something else"
        return state, ""

    def _check_description(self, step: int) -> None:
        """Raises if a checkpoint says nonsense of itself; it may say nothing."""
        path = self._folder / str(step) / "_CHECKPOINT_METADATA"
        try:
            description = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return
        if not isinstance(description, dict):
            raise ValueError(f"{path.name}: expected an object")
        self._manager.metadata(step)

    def _read(self, step: int, target: TrainState) -> TrainState:
        items = {
            name: ocp.args.StandardRestore(item) for name, item in split(target).items()
        }
        restored = self._manager.restore(step, args=ocp.args.Composite(**items))
        return join({name: restored[name] for name in items})

    def close(self) -> None:
        """Completes the save under way and releases the folder.

        Raises:
            StorageError: If it cannot be completed.
        """
        if self._has_failed:  # it would wait for the same once more
            return
        with reporting_saves(self._folder):
            within_bounds(self._manager.close)


def _manager(
    folder: epath.Path, options: ocp.CheckpointManagerOptions
) -> ocp.CheckpointManager:
    """Orbax's manager, although one checkpoint may say nonsense of itself.

    Orbax reads what all of them say, with which a run finds its best one, and one field
    of another type keeps the folder from being opened.
    """
    try:
        return ocp.CheckpointManager(folder, options=options)
    except Exception as error:
        logging.warning(
            "%s: a checkpoint is damaged (%s); opened without what they say of "
            "themselves: the best one may not be known",
            folder,
            damage(error, folder),
        )
    options = dataclasses.replace(options, lightweight_initialize=True)
    return ocp.CheckpointManager(folder, options=options)


def has_checkpoints(workdir: epath.Path) -> bool:
    """Whether a run in this folder would resume."""
    folder = workdir / FOLDER
    return any(
        name.isascii() and name.isdigit() and is_complete(folder / name)
        for name in names_in(folder)
    )


def _difference(
    state: TrainState, step: int, recorded: Mapping[str, str] | None
) -> str:
    """What of a state is not as it was saved; empty if nothing, or nobody knows."""
    if int(state.step) != step:
        return f"it holds step {int(state.step)}"
    if recorded is None:
        return ""
    names = changed(split(state), recorded)
    if not names:
        return ""
    return f"{len(names)} arrays are not what was saved, the first is {names[0]}"

"""Reads checkpoints back: that of a step, or the newest one that can be read.

A checkpoint that cannot be read is passed over with a warning. A storage that is away
says nothing about a checkpoint; it ends the run with `StorageError`.
"""

import orbax.checkpoint as ocp
from absl import logging
from etils import epath

from sisr_jax.checkpoints.items import join, split
from sisr_jax.checkpoints.outages import (
    is_news,
    is_outage,
    reporting_saves,
    within_bounds,
)
from sisr_jax.checkpoints.unfinished import is_complete
from sisr_jax.errors import InputError
from sisr_jax.hosts import agreement, leaving
from sisr_jax.storage.failures import failure, reporting
from sisr_jax.storage.files import absolute, names_in
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
            self._manager = ocp.CheckpointManager(self._folder, options=options)

    def steps(self) -> tuple[int, ...]:
        """Steps that have a complete checkpoint, ascending."""
        return tuple(sorted(self._manager.all_steps()))

    def restore(self, step: int, target: TrainState) -> TrainState:
        """Restores the checkpoint of one step.

        Args:
            step: Its step.
            target: Abstract state with shapes, dtypes and shardings.
        """
        items = {
            name: ocp.args.StandardRestore(item) for name, item in split(target).items()
        }
        restored = self._manager.restore(step, args=ocp.args.Composite(**items))
        return join({name: restored[name] for name in items})

    def restore_newest(self, target: TrainState) -> TrainState | None:
        """Restores the newest checkpoint that can be read.

        Args:
            target: Abstract state with shapes, dtypes and shardings.

        Returns:
            The state, or None if there is no checkpoint at all.

        Raises:
            CheckpointError: If there are checkpoints and none can be read.
        """
        for step in reversed(self.steps()):
            state = self._try(step, target)
            if agreement.all_agree(state is not None):
                return state
        if self.steps():
            raise CheckpointError(
                f"{self._folder}: none of the checkpoints {self.steps()} can be read"
            )
        return None

    def _try(self, step: int, target: TrainState) -> TrainState | None:
        try:
            return self.restore(step, target)
        # Orbax reports damage by many exception types, from OSError to the
        # errors of its storage library.
        except Exception as error:
            if leaving.is_loss(error):
                raise
            if is_outage(error, self._folder):
                raise failure(f"{self._folder / str(step)}: reading", error) from error
            logging.warning(
                "checkpoint %s cannot be read (%s); trying the one before",
                self._folder / str(step),
                (str(error) or type(error).__name__).splitlines()[0],
            )
            return None

    def close(self) -> None:
        """Completes the save under way and releases the folder.

        Raises:
            StorageError: If it cannot be completed.
        """
        if self._has_failed:  # it would wait for the same once more
            return
        with reporting_saves(self._folder):
            within_bounds(self._manager.close)


def has_checkpoints(workdir: epath.Path) -> bool:
    """Whether a run in this folder would resume."""
    folder = workdir / FOLDER
    return any(
        name.isdigit() and is_complete(folder / name) for name in names_in(folder)
    )

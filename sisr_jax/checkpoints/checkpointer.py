"""Checkpoints: with `pretrained`, the only module that knows Orbax.

One checkpoint holds the items of `train.items`.

Saves are asynchronous and atomic. What is left of a save that was cut short is
removed with a warning; a checkpoint that cannot be read back is moved to
`damaged_checkpoints/` with one, and the previous one is used.
A storage that fails damages nothing: it ends the run with `StorageError`.
"""

import functools

import orbax.checkpoint as ocp
from absl import logging
from etils import epath
from orbax.checkpoint import checkpoint_managers

from sisr_jax.checkpoints.items import join, split
from sisr_jax.checkpoints.outages import (
    is_news,
    is_outage,
    reporting_saves,
    within_bounds,
)
from sisr_jax.checkpoints.unfinished import (
    is_complete,
    sync_unfinished,
    warn_of_interrupted_saves,
)
from sisr_jax.errors import InputError
from sisr_jax.hosts import agreement, leaving
from sisr_jax.storage.failures import failure, reporting
from sisr_jax.storage.files import (
    absolute,
    is_remote,
    move_folder,
    names_in,
    sync,
    sync_tree,
)
from sisr_jax.train.state import TrainState

FOLDER = "checkpoints"
_METRIC = "psnr"


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


class Checkpointer(CheckpointReader):
    """Saves and restores the training state of one working folder."""

    def __init__(
        self, workdir: epath.Path, *, keep_last: int, keep_steps: tuple[int, ...]
    ) -> None:
        """Opens the checkpoints of a working folder, for one run at a time.

        Args:
            workdir: Working folder of the run.
            keep_last: How many of the newest checkpoints stay.
            keep_steps: Steps whose checkpoints always stay; besides them and
                the newest, the one with the best validation PSNR stays.
        """
        warn_of_interrupted_saves(workdir / FOLDER)
        best = checkpoint_managers.BestN(
            get_metric_fn=lambda metrics: metrics[_METRIC],
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        policy = checkpoint_managers.AnyPreservationPolicy(
            [
                checkpoint_managers.LatestN(keep_last),
                best,
                checkpoint_managers.CustomSteps(list(keep_steps)),
            ]
        )
        saved = functools.partial(sync_unfinished, absolute(workdir) / FOLDER)
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy,
            cleanup_tmp_directories=True,
            async_options=ocp.AsyncOptions(post_finalization_callback=saved),
        )
        self._open(workdir, options)
        self._saved: int | None = None

    def save(self, state: TrainState, *, validation_psnr: float | None) -> None:
        """Starts saving; returns once the arrays may be donated again.

        A step that has a checkpoint is not saved again.

        Args:
            state: State to save under its own step.
            validation_psnr: Mean PSNR in dB at this step, if it was measured.

        Raises:
            StorageError: If this save, or the one before, which went on in the
                background, cannot be completed.
        """
        items = {
            name: ocp.args.StandardSave(item) for name, item in split(state).items()
        }
        self.wait()
        if int(state.step) in self.steps():
            return
        metrics = None if validation_psnr is None else {_METRIC: validation_psnr}
        with reporting_saves(self._folder):
            self._manager.save(
                int(state.step), args=ocp.args.Composite(**items), metrics=metrics
            )
        self._saved = int(state.step)

    def wait(self) -> None:
        """Blocks until the save under way is complete, and safe from a power failure.

        Raises:
            StorageError: If it cannot be completed.
        """
        self._has_failed = True
        with reporting_saves(self._folder):
            within_bounds(self._manager.wait_until_finished)
            if self._saved is not None and not is_remote(self._folder):
                # Renamed, and once more written to, after `sync_unfinished`.
                sync_tree(self._folder / str(self._saved))
                sync(self._folder)
        self._saved, self._has_failed = None, False

    def restore_newest(self, target: TrainState) -> TrainState | None:
        """As the reader's; unreadable newer checkpoints are moved out of the way.

        They go to `damaged_checkpoints/`, because the run will save those steps
        again.
        """
        state = super().restore_newest(target)
        if state is not None:
            for step in self.steps():
                if step > int(state.step):
                    agreement.first_alone(functools.partial(self._set_aside, step))
            self._manager.reload()
        return state

    def _set_aside(self, step: int) -> None:
        damaged = self._folder.parent / "damaged_checkpoints"
        target = damaged / f"{step}-{len(names_in(damaged))}"
        move_folder(self._folder / str(step), target)


def has_checkpoints(workdir: epath.Path) -> bool:
    """Whether a run in this folder would resume."""
    folder = workdir / FOLDER
    return any(
        name.isdigit() and is_complete(folder / name) for name in names_in(folder)
    )

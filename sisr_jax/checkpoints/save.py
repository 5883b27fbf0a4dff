"""Saves the state of a run: in the background, whole or not at all.

What is left of a save that was cut short is removed with a warning. Checkpoints that
cannot be read back are moved to `damaged_checkpoints/`, because the run will save
their steps again.
"""

import functools
from typing import Any

import orbax.checkpoint as ocp
from etils import epath

from sisr_jax.checkpoints import digests
from sisr_jax.checkpoints.items import split
from sisr_jax.checkpoints.keep import METRIC, preservation
from sisr_jax.checkpoints.outages import damage, reporting_saves, within_bounds
from sisr_jax.checkpoints.restore import FOLDER, CheckpointReader
from sisr_jax.checkpoints.unfinished import sync_unfinished, warn_of_interrupted_saves
from sisr_jax.hosts import agreement
from sisr_jax.storage.files import (
    absolute,
    is_remote,
    move_folder,
    names_in,
    sync,
    sync_tree,
)
from sisr_jax.train.state import TrainState


class Checkpointer(CheckpointReader):
    """Saves and restores the training state of one working folder."""

    def __init__(
        self, workdir: epath.Path, *, keep_last: int, keep_steps: tuple[int, ...]
    ) -> None:
        """Opens the checkpoints of a working folder, for one run at a time.

        Args:
            workdir: Working folder of the run.
            keep_last: How many of the newest checkpoints stay, see `keep`.
            keep_steps: Steps whose checkpoints always stay.
        """
        warn_of_interrupted_saves(workdir / FOLDER)
        saved = functools.partial(sync_unfinished, absolute(workdir) / FOLDER)
        options = ocp.CheckpointManagerOptions(
            preservation_policy=preservation(keep_last, keep_steps),
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
        self.wait()
        if int(state.step) in self.steps():
            return
        items = split(state)
        arguments: dict[str, Any] = {
            name: ocp.args.StandardSave(item) for name, item in items.items()
        }
        arguments[digests.ITEM] = ocp.args.JsonSave(digests.digests_of(items))
        metrics = None if validation_psnr is None else {METRIC: validation_psnr}
        with reporting_saves(self._folder):
            self._manager.save(
                int(state.step), args=ocp.args.Composite(**arguments), metrics=metrics
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
        """As the reader's; damaged checkpoints are moved out of the way.

        They go to `damaged_checkpoints/`: newer ones because the run will save those
        steps again, older ones that say nonsense of themselves because the best one is
        found by what all of them say.
        """
        state = super().restore_newest(target)
        if state is not None:
            agreement.first_alone(lambda: self._set_damaged_aside(int(state.step)))
            self._manager.reload()
        return state

    def _set_damaged_aside(self, restored: int) -> None:
        for step in self.steps():
            if step > restored or not self._says_sense(step):
                self._set_aside(step)

    def _says_sense(self, step: int) -> bool:
        try:
            self._check_description(step)
        except Exception as error:
            damage(error, self._folder / str(step))
            return False
        return True

    def _set_aside(self, step: int) -> None:
        damaged = self._folder.parent / "damaged_checkpoints"
        target = damaged / f"{step}-{len(names_in(damaged))}"
        move_folder(self._folder / str(step), target)

"""The training loop.

Order of an iteration, not to be changed: phase, evaluate if due, checkpoint if
due, save and leave if preempted, next batch, step, deferred metric write. Metrics
of a step are fetched when the next ones arrive, so logging does not block the step
just dispatched; they are on disk before a checkpoint of the same step is.

Every process of a run goes through the same iterations with its own rows of the same
batches; process 0 writes.
"""

import contextlib
import io
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import jax
from clu import parameter_overview
from etils import epath

from sisr_jax.checkpoints.save import Checkpointer
from sisr_jax.data.pipeline import training_batches
from sisr_jax.hosts import agreement, leaving
from sisr_jax.hosts.mesh import local_rows, replicated, to_devices
from sisr_jax.hosts.supervision import note_progress
from sisr_jax.run.deferred import DeferredScalars, StepsDone
from sisr_jax.run.prepare import Run, first_state, open_checkpoints
from sisr_jax.run.progress import Progress
from sisr_jax.run.records import open_records
from sisr_jax.run.validation import Validation
from sisr_jax.run.writers import MetricWriter, MultiWriter
from sisr_jax.storage.files import write_whole
from sisr_jax.train import phases
from sisr_jax.train.safety import TOTAL, Watch
from sisr_jax.train.state import TrainState
from sisr_jax.train.steps import Step, compile_step
from sisr_jax.types import Batch


def train(run: Run) -> TrainState:
    """Trains to the last step, from the newest checkpoint if there is one.

    Returns:
        The final state; its checkpoint is complete.

    Raises:
        Preempted: After SIGTERM to any process, once the state is saved.
    """
    with run.lock or contextlib.nullcontext():
        return _train(run)


def _train(run: Run) -> TrainState:
    config, checkpointer = run.config, open_checkpoints(run)
    state, is_resumed = first_state(run, checkpointer)
    start = int(state.step)
    note_progress(start)
    is_first = agreement.is_first()
    if is_first:
        _describe_parameters(run.workdir, state)
    writer = open_records(run.workdir, start) if is_first else MultiWriter([])
    batches = training_batches(
        run.training,
        config.data,
        seed=config.seed,
        start_step=start,
        rows=local_rows(run.mesh, config.data.batch_size),
    )
    total = phases.total_steps(config.phases)
    stream = None if is_first else io.StringIO()  # shown by the first process alone
    with (
        contextlib.closing(writer),
        contextlib.closing(checkpointer),
        leaving.ending_with_the_others(),
        leaving.telling_the_others(run.workdir),
        jax.set_mesh(run.mesh),
        batches,
        Progress(total=total, start=start, stream=stream) as progress,
        leaving.Preemption() as preemption,
    ):
        session = _Session(run, checkpointer, writer, progress, state)
        return session.run(state, batches, preemption, is_resumed=is_resumed)


class _Session:
    """One uninterrupted stretch of a run: compiled functions and open files."""

    def __init__(
        self,
        run: Run,
        checkpointer: Checkpointer,
        writer: MetricWriter,
        progress: Progress,
        first: TrainState,
    ) -> None:
        self._run, self._checkpointer, self._writer = run, checkpointer, writer
        self._progress = progress
        self._watch = Watch(run.config.safety, skipped=int(first.skipped))
        self._done = StepsDone(int(first.step))
        self._scalars = DeferredScalars(writer, done=self._done, look=self._look)
        self._steps: dict[str, Step] = {}
        self._task = jax.device_put(run.task, replicated(run.mesh))
        self._validation = Validation(run, self._task, writer, progress)

    def run(
        self,
        state: TrainState,
        batches: Iterator[Batch],
        preemption: leaving.Preemption,
        *,
        is_resumed: bool,
    ) -> TrainState:
        """Trains from the step of `state` to the last one."""
        config = self._run.config
        start, total = int(state.step), phases.total_steps(config.phases)
        self._validation.describe(start)
        for step in range(start, total + 1):
            # What was due at a restored step was done before it was saved.
            if not (is_resumed and step == start):
                self._evaluate_and_save(state, step)
            if step == total:
                break
            if preemption.reached(step):
                self._save_and_leave(state, step)
            phase = phases.phase_at(config.phases, step)
            state, metrics = self._update(state, next(batches), phase.name, step)
            if step + 1 == phase.stop or _is_due(step + 1, config.log.every_steps):
                self._scalars.push(step + 1, metrics)
            self._progress.count(self._done.last())
        self._scalars.flush()
        self._checkpointer.wait()
        if preemption.reached(total):  # the next start goes on with the evaluation
            raise _preempted(total)
        return state

    def _update(
        self, state: TrainState, batch: Batch, phase: str, step: int
    ) -> tuple[TrainState, dict[str, Any]]:
        is_first = phase not in self._steps
        if is_first:
            self._progress.say(step, f"compiling the step of the phase {phase}")
            self._steps[phase] = compile_step(self._task, phase, self._run.mesh)
        on_devices = to_devices(batch, self._run.mesh)
        with jax.transfer_guard("disallow"):
            state, metrics = self._steps[phase](self._task, state, on_devices)
        self._done.follow(step + 1, metrics[TOTAL])
        if is_first:  # its compilation says nothing of the speed
            jax.block_until_ready(metrics)
            self._scalars.restart_clock()
        return state, metrics

    def _look(self, step: int, record: Mapping[str, float]) -> None:
        phase = phases.phase_at(self._run.config.phases, step - 1)
        self._progress.show(step, phase.name, record)
        self._watch.look(step, record)

    def _evaluate_and_save(self, state: TrainState, step: int) -> None:
        config = self._run.config
        is_border = step in phases.borders(config.phases)
        evaluates = step > 0 and (
            is_border or _is_due(step, config.evaluation.every_steps)
        )
        saves = is_border or _is_due(step, config.checkpoint.every_steps)
        if evaluates or saves:
            self._scalars.flush()
        if is_border or _is_due(step, config.log.images_every_steps):
            self._validation.draw(state, step)
        psnr = self._validation.evaluate(state, step) if evaluates else None
        if saves:
            self._watch.check_before_save(state)
            self._writer.flush()
            self._checkpointer.save(state, validation_psnr=psnr)
        if evaluates or saves:
            self._scalars.restart_clock()

    def _save_and_leave(self, state: TrainState, step: int) -> NoReturn:
        self._scalars.flush()
        self._watch.check_before_save(state)
        self._writer.flush()
        self._checkpointer.save(state, validation_psnr=None)
        self._checkpointer.wait()
        raise _preempted(step)


def _preempted(step: int) -> leaving.Preempted:
    return leaving.Preempted(f"preempted at step {step}: saved")


def _is_due(step: int, every_steps: int) -> bool:
    return step % every_steps == 0


def _describe_parameters(workdir: epath.Path, state: TrainState) -> None:
    """Writes a table of both networks' weights into the working folder."""
    tables = [
        f"{name}\n"
        + parameter_overview.get_parameter_overview(
            getattr(state, name).params, include_stats=False
        )
        for name in ("generator", "discriminator")
    ]
    write_whole(workdir / "parameters.txt", "\n\n".join(tables) + "\n")

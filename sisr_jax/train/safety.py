"""Numbers that would poison a run: steps skipped on the device, warnings of the host.

A step whose losses, gradients or batch statistics are not finite leaves both
networks, their optimisers and the moving average as they were, bit for bit. The
step counter goes on, and with it the order of the data: the next step has the
next batch, in a resumed run too. A skipped update is not made up for, and the
schedules, which count updates, wait for it.

The count of skipped steps in a row is kept on the device because the host reads
numbers late and not of every step. Once it reaches the limit nothing moves any more,
whatever comes, until the host reads it and stops the run: before the next save, so
that no checkpoint holds such a state.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from absl import logging

from sisr_jax.config import Safety
from sisr_jax.train.state import TrainState
from sisr_jax.train.task import Task
from sisr_jax.types import Batch

Metrics = dict[str, jax.Array]
TaskStep = Callable[[Task, TrainState, Batch], tuple[TrainState, Metrics]]

# What a step moves or leaves as a whole.
_NETWORKS = ("generator", "discriminator", "generator_ema")
_MUST_BE_FINITE = ("loss/", "grad_norm/")
TOTAL, _IN_A_ROW = "skipped/total", "skipped/in_a_row"
_REAL, _GENERATED = "discriminator/real", "discriminator/generated"
_SATURATED = "discriminator/saturated"


def skip_unless_finite(step: TaskStep) -> TaskStep:
    """Makes a training step leave the networks alone where it would poison them.

    A gradient whose norm overflows float32 counts as not finite: the second moments
    of the optimiser would overflow with it.

    Args:
        step: A step `(task, state, batch) -> (state, metrics)` with a metric
            `grad_norm/...` for each network that it moves.

    Returns:
        The same with the metrics `skipped/total` and `skipped/in_a_row`.
    """

    @functools.wraps(step)
    def guarded(
        task: Task, state: TrainState, batch: Batch
    ) -> tuple[TrainState, Metrics]:
        moved, metrics = step(task, state, batch)
        is_running = state.skipped_in_a_row < task.config.safety.max_skipped_in_a_row
        moves = is_running & _is_finite(moved, metrics)
        kept = {
            name: _choose(moves, getattr(moved, name), getattr(state, name))
            for name in _NETWORKS
        }
        skipped = 1 - moves.astype(jnp.int32)
        after = moved.replace(
            skipped=state.skipped + skipped,
            skipped_in_a_row=skipped * (state.skipped_in_a_row + 1),
            **kept,
        )
        counts = {TOTAL: after.skipped, _IN_A_ROW: after.skipped_in_a_row}
        return after, metrics | counts

    return guarded


def is_saturated(config: Safety, real: jax.Array, generated: jax.Array) -> jax.Array:
    """1 where the discriminator is too sure of itself to teach the generator, else 0.

    Args:
        config: Thresholds.
        real: Its mean probability of real for real images.
        generated: The same for generated images.
    """
    sure = (real > config.saturated_real) & (generated < config.saturated_generated)
    return sure.astype(jnp.float32)


class Watch:
    """Looks at the records of a run: warns, and stops what cannot go on.

    Args:
        config: Limits.
        skipped: Steps skipped before the first record.
    """

    def __init__(self, config: Safety, *, skipped: int) -> None:
        self._config = config
        self._skipped = skipped
        self._saturated_records = 0

    def look(self, step: int, record: Mapping[str, float]) -> None:
        """Warns of skipped steps and of a saturated discriminator.

        Args:
            step: Of the record.
            record: Its numbers.

        Raises:
            FloatingPointError: If too many steps in a row were skipped.
        """
        self._look_at_skipped(step, record)
        self._look_at_saturation(step, record)

    def check_before_save(self, state: TrainState) -> None:
        """Refuses a state that has stopped moving, or that is not finite itself.

        Raises:
            FloatingPointError: If too many steps in a row were skipped, or a weight, a
                statistic, a moment of an optimiser or an average is not finite.
        """
        self._check(int(state.step), int(state.skipped_in_a_row), "")
        for name in _NETWORKS:
            if not _all_finite_on_devices(getattr(state, name)):
                raise FloatingPointError(
                    f"step {int(state.step)}: {name} holds numbers that are not finite "
                    "and is not saved; the checkpoints before it are intact; a lower "
                    "learning_rate or clip_norm in config.optimizer may help"
                )

    def _look_at_skipped(self, step: int, record: Mapping[str, float]) -> None:
        new = int(record[TOTAL]) - self._skipped
        self._skipped += new
        wrong = ", ".join(
            f"{name} = {value}"
            for name, value in record.items()
            if name.startswith(_MUST_BE_FINITE) and not math.isfinite(value)
        )
        self._check(step, int(record[_IN_A_ROW]), f": {wrong}" if wrong else "")
        if new:
            logging.warning(
                "step %d: %d more skipped for numbers that are not finite, %d in all%s",
                step,
                new,
                self._skipped,
                f": {wrong}" if wrong else "",
            )

    def _check(self, step: int, in_a_row: int, what: str) -> None:
        limit = self._config.max_skipped_in_a_row
        if in_a_row >= limit:
            raise FloatingPointError(
                f"step {step}: numbers that are not finite{what}; "
                f"config.safety.max_skipped_in_a_row = {limit} steps were skipped; "
                "the checkpoints before them are intact"
            )

    def _look_at_saturation(self, step: int, record: Mapping[str, float]) -> None:
        # A skipped step says nothing, and other phases have no such number.
        if not math.isfinite(record.get(_REAL, math.nan)) or _SATURATED not in record:
            return
        is_one = record[_SATURATED] > 0
        self._saturated_records = self._saturated_records + 1 if is_one else 0
        if self._saturated_records == self._config.saturated_records:
            logging.warning(
                "step %d: the discriminator is saturated, %d records in a row: mean "
                "probability of real %.5f for real and %.5f for generated images",
                step,
                self._saturated_records,
                record[_REAL],
                record[_GENERATED],
            )


def _is_finite(moved: TrainState, metrics: Mapping[str, jax.Array]) -> jax.Array:
    """Whether a step may be kept by its scalars and statistics.

    Its new weights are not read: an update of finite gradients that overflows is rare,
    and the host looks at the whole state before it saves it.
    """
    scalars = [v for name, v in metrics.items() if name.startswith(_MUST_BE_FINITE)]
    statistics = (moved.generator.batch_stats, moved.discriminator.batch_stats)
    return _all_finite((scalars, statistics))


def _all_finite(arrays: Any) -> jax.Array:
    return functools.reduce(
        jnp.logical_and,
        [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(arrays)],
    )


_all_finite_on_devices = jax.jit(_all_finite)


def _choose(moves: jax.Array, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(moves, a, b), new, old)

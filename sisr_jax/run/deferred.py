"""Numbers of the steps, fetched from the device without holding it up.

`DeferredScalars.flush` must come before a checkpoint, so that the records of its step
are written when it is.
"""

import collections
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

from sisr_jax.run.writers import MetricWriter

SPEED = "perf/steps_per_second"


class StepsDone:
    """Counts the steps that the device is done with, which no one waits for.

    Dispatching a step says nothing: the device may be many steps behind. Nor does a
    record of a step say when it was done: it may be fetched many steps later.
    """

    def __init__(self, start: int) -> None:
        self._last = start
        self._under_way: collections.deque[tuple[int, Any]] = collections.deque()

    def follow(self, step: int, number: Any) -> None:
        """Counts a step once a number that it computes is there.

        `number` is an array of jax, whose `is_ready` its published type lacks.
        """
        self._under_way.append((step, number))

    def arrived(self, step: int) -> None:
        """Counts the steps up to one whose numbers were fetched.

        A number that all devices hold is fetched from one of them, and is only ready
        once it is on every one.
        """
        while self._under_way and self._under_way[0][0] <= step:
            self._last, _ = self._under_way.popleft()

    def last(self) -> int:
        """The last step that is done, of those that are followed."""
        while self._under_way and self._under_way[0][1].is_ready():
            self._last, _ = self._under_way.popleft()
        return self._last


class DeferredScalars:
    """Writes the numbers of a step when those of a later step are on their way.

    Reading a number waits for the step that computes it. One record late, the
    device already has its next work, so logging never leaves it idle. When a record
    arrives, the speed is measured: `SPEED`, of all steps that were done since the
    record before or since `restart_clock`. A record after which no more are done says
    the last one that was measured since then.

    Args:
        writer: Gets the records.
        done: Knows which steps are done.
        look: Called with every record once it is written; may raise.
    """

    def __init__(
        self,
        writer: MetricWriter,
        *,
        done: StepsDone,
        look: Callable[[int, Mapping[str, float]], None],
    ) -> None:
        self._writer, self._done, self._look = writer, done, look
        self._pending: tuple[int, Mapping[str, Any]] | None = None
        self.restart_clock()

    def restart_clock(self) -> None:
        """Starts measuring the speed anew, after something that was not training."""
        self._since = self._done.last(), time.monotonic()
        self._speed: float | None = None

    def push(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Writes the record before and holds this one, of arrays on the device."""
        self.flush()
        self._pending = (step, scalars)

    def flush(self) -> None:
        """Writes the record that is held, if any."""
        if self._pending is None:
            return
        (step, scalars), self._pending = self._pending, None
        fetched = jax.device_get(dict(scalars))
        record = {name: float(value) for name, value in fetched.items()}
        self._done.arrived(step)
        self._measure()
        if self._speed is not None:
            record[SPEED] = self._speed
        self._writer.write_scalars(step, record)
        self._look(step, record)

    def _measure(self) -> None:
        now = self._done.last(), time.monotonic()
        if (steps := now[0] - self._since[0]) > 0:
            self._speed = steps / max(now[1] - self._since[1], 1e-9)
            self._since = now

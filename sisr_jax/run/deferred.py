"""Numbers of the steps, fetched from the device without holding it up.

`DeferredScalars.flush` must come before a checkpoint, so that the records of its step
are written when it is.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

from sisr_jax.run.writers import MetricWriter

SPEED = "perf/steps_per_second"


class DeferredScalars:
    """Writes the numbers of a step when those of a later step are on their way.

    Reading a number waits for the step that computes it. One record late, the
    device already has its next work, so logging never leaves it idle. A record
    that arrives says that its step is done, hence the speed is measured here: `SPEED`
    since the record before or since `restart_clock`.

    Args:
        writer: Gets the records.
        start: Step at which the clock starts.
        look: Called with every record once it is written; may raise.
    """

    def __init__(
        self,
        writer: MetricWriter,
        *,
        start: int,
        look: Callable[[int, Mapping[str, float]], None],
    ) -> None:
        self._writer, self._look = writer, look
        self._pending: tuple[int, Mapping[str, Any]] | None = None
        self.restart_clock(start)

    def restart_clock(self, step: int) -> None:
        """Starts measuring the speed anew, after something that was not training."""
        self._since = step, time.monotonic()

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
        last_step, last_time = self._since
        self.restart_clock(step)
        if step > last_step:  # else nothing was measured
            elapsed = max(self._since[1] - last_time, 1e-9)
            record[SPEED] = (step - last_step) / elapsed
        self._writer.write_scalars(step, record)
        self._look(step, record)

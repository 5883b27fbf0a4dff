"""How far a run is: a line that moves on a terminal, lines in the log of a job."""

import sys
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO, TypeVar

from absl import logging
from tqdm import tqdm

from sisr_jax.run.deferred import SPEED

T = TypeVar("T")

# Seconds between the lines of `counted`.
_SILENCE = 30.0


class Progress:
    """Phase, step, steps/s of late, time left and losses.

    On a terminal one line shows them and counts the steps that the devices are done
    with; anywhere else each record is a line. Inside the `with` block, absl log lines
    on a terminal go above the line instead of through it.

    Args:
        total: Steps of the whole run.
        start: Steps done before, for instance by the run that is resumed.
        stream: Where to print; `sys.stderr` if None.
    """

    def __init__(self, total: int, start: int, stream: TextIO | None = None) -> None:
        self._total, self._stream = total, stream or sys.stderr
        self._bar = tqdm(
            total=total,
            initial=start,
            file=self._stream,
            disable=None,  # no bar unless the stream is a terminal
            dynamic_ncols=True,
            bar_format="{desc} {n}/{total} |{bar:16}|{postfix}",
        )
        self._handler = logging.get_absl_handler().python_handler
        self._log_stream = self._handler.stream
        if not self._bar.disable and self._log_stream.isatty():
            self._handler.stream = _above_the_bar(self._log_stream)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self._handler.stream = self._log_stream
        self._bar.close()

    def say(self, step: int, text: str) -> None:
        """Prints a line of its own, for instance of what will take a while."""
        line = f"step {step}/{self._total}: {text}"
        if self._bar.disable:
            print(line, file=self._stream, flush=True)
        else:
            self._bar.write(line, file=self._stream)

    def count(self, done: int) -> None:
        """Shows how many steps the devices are done with."""
        if not self._bar.disable:
            self._bar.update(done - self._bar.n)

    def show(self, step: int, phase: str, record: Mapping[str, float]) -> None:
        """Shows the record of a step that is done."""
        parts = []
        if speed := record.get(SPEED):
            left = tqdm.format_interval((self._total - step) / speed)
            parts = [f"{speed:.3g} steps/s", f"{left} left"]
        parts += [f"{k} {v:.4g}" for k, v in record.items() if k.startswith("loss/")]
        if self._bar.disable:
            self.say(step, f"{phase}, {', '.join(parts)}")
            return
        self._bar.set_description_str(phase, refresh=False)
        self._bar.set_postfix_str(", ".join(parts))


def counted(items: Sequence[T], *, stream: TextIO | None = None) -> Iterator[T]:
    """Goes through some items; shows how many are done, and when all will be.

    A bar on a terminal; in the log of a job, a line now and then.

    Args:
        items: Each takes about as long as another.
        stream: Where to print; `sys.stderr` if None.
    """
    stream = stream or sys.stderr
    start = said = time.monotonic()
    with tqdm(total=len(items), file=stream, disable=None, dynamic_ncols=True) as bar:
        for number, item in enumerate(items, 1):
            yield item
            bar.update()
            now = time.monotonic()
            if bar.disable and number < len(items) and now > said + _SILENCE:
                left = (now - start) / number * (len(items) - number)
                text = f"{number}/{len(items)}, {tqdm.format_interval(left)} left"
                print(text, file=stream, flush=True)
                said = now


def _above_the_bar(stream: TextIO) -> Any:
    """What a log handler uses of a stream, printing above the progress line."""
    return types.SimpleNamespace(
        write=lambda text: tqdm.write(text, file=stream, end=""),
        flush=stream.flush,
        close=lambda: None,  # the stream belongs to the handler that had it before
    )

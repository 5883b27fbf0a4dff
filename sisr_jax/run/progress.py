"""The line on the terminal that shows how far a run is."""

import sys
import types
from collections.abc import Mapping
from typing import Any, TextIO

from absl import logging
from tqdm import tqdm


class Progress:
    """One line on the terminal: phase, step, steps/s of late, time left, losses.

    Nothing is printed when the stream is not a terminal. Inside the `with` block,
    absl log lines on a terminal go above the line instead of through it.

    Args:
        total: Steps of the whole run.
        start: Steps done before, for instance by the run that is resumed.
        stream: Where to print; `sys.stderr` if None.
    """

    def __init__(self, total: int, start: int, stream: TextIO | None = None) -> None:
        self._bar = tqdm(
            total=total,
            initial=start,
            file=stream or sys.stderr,
            disable=None,  # quiet unless the stream is a terminal
            dynamic_ncols=True,
            bar_format="{desc} {n}/{total} |{bar:16}| {rate_noinv_fmt}, "
            "{remaining} left{postfix}",
            unit=" steps",
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

    def update(self, phase: str, scalars: Mapping[str, float]) -> None:
        """Counts one more step of `phase`; shows the losses among `scalars`."""
        losses = [f"{k} {v:.4g}" for k, v in scalars.items() if k.startswith("loss/")]
        self._bar.set_description_str(phase, refresh=False)
        self._bar.set_postfix_str(", ".join(losses), refresh=False)
        self._bar.update()


def _above_the_bar(stream: TextIO) -> Any:
    """What a log handler uses of a stream, printing above the progress line."""
    return types.SimpleNamespace(
        write=lambda text: tqdm.write(text, file=stream, end=""),
        flush=stream.flush,
        close=lambda: None,  # the stream belongs to the handler that had it before
    )

"""Where numbers and pictures of a run go: JSON lines, TensorBoard, terminal.

A record of step `s` says what was known after `s` updates, so a run restored at
step `s` keeps those up to and including `s` (`truncate_after`) and writes the
later ones again. For that, `DeferredScalars.flush` must come before a checkpoint.
"""

import json
import math
import sys
import time
import types
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TextIO

import jax
import numpy as np
from absl import logging
from etils import epath
from tqdm import tqdm

from sisr_jax.errors import InputError


class MetricWriter(Protocol):
    """Something that keeps numbers and pictures; by default it drops them."""

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Keeps one record of named numbers."""

    def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Keeps named images `[height, width, 1]` in [0, 1]."""

    def flush(self) -> None:
        """Hands everything written to the operating system."""

    def close(self) -> None:
        """Flushes and closes files."""


class JsonLinesWriter(MetricWriter):
    """Appends one line `{"step": 12, "loss/generator": 0.5}` for each record.

    Strict JSON: a number that is not finite becomes the string `"nan"`, `"inf"`
    or `"-inf"`, which `float` reads back. Images are dropped.
    """

    def __init__(self, path: epath.PathLike) -> None:
        path = epath.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a")

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Appends the line and hands it to the operating system at once."""
        numbers = {
            name: float(value) if math.isfinite(value) else str(float(value))
            for name, value in scalars.items()
        }
        self._file.write(json.dumps({"step": int(step)} | numbers) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class TensorBoardWriter(MetricWriter):
    """Writes TensorBoard event files, without TensorFlow.

    Args:
        directory: Folder of the event files.
        purge_step: First step that is written again by a resumed run (the
            restored one + 1): TensorBoard hides older records from there on.
    """

    def __init__(self, directory: epath.PathLike, purge_step: int) -> None:
        from tensorboardX import SummaryWriter

        # A run resumed within a second would else overwrite its first file.
        options = {"purge_step": purge_step, "filename_suffix": f".{purge_step:09d}"}
        self._writer = SummaryWriter(str(directory), **options)

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Adds a point to the curve of each name."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, float(value), step)

    def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Adds images; values outside [0, 1] are clipped."""
        for name, image in images.items():
            levels = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
            self._writer.add_image(name, levels, step, dataformats="HWC")

    def flush(self) -> None:
        """Flushes the event file."""
        self._writer.flush()

    def close(self) -> None:
        """Closes the event file."""
        self._writer.close()


class MultiWriter(MetricWriter):
    """Passes everything on to several writers, in their order."""

    def __init__(self, writers: Sequence[MetricWriter]) -> None:
        self._writers = tuple(writers)

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Writes to all."""
        for writer in self._writers:
            writer.write_scalars(step, scalars)

    def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Writes to all."""
        for writer in self._writers:
            writer.write_images(step, images)

    def flush(self) -> None:
        """Flushes all."""
        for writer in self._writers:
            writer.flush()

    def close(self) -> None:
        """Closes all."""
        for writer in self._writers:
            writer.close()


def truncate_after(path: epath.PathLike, step: int) -> None:
    """Drops the records after `step`, and a torn last line, from a lines file.

    The file, if there is one, is replaced in one move: a kill in here is harmless.

    Raises:
        InputError: If a line before the last one is not a record.
    """
    path = epath.Path(path)
    if not path.exists():
        return
    lines = path.read_bytes().splitlines()
    kept = []
    for number, line in enumerate(lines, start=1):
        try:
            recorded = json.loads(line)["step"]
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break  # the process died while writing it
            raise InputError(
                f"{path}, line {number}: {line[:80]!r} is not a record with a step"
            ) from error
        if recorded <= step:
            kept.append(line + b"\n")
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(b"".join(kept))
    temporary.replace(path)


class DeferredScalars:
    """Writes the numbers of a step when those of a later step are on their way.

    Reading a number waits for the step that computes it. One record late, the
    device already has its next work, so logging never leaves it idle. A record
    that arrives says that its step is done, hence the speed is measured here:
    `perf/steps_per_second` since the record before or since `restart_clock`.

    Attributes:
        latest: The record written last; empty before the first.
    """

    def __init__(self, writer: MetricWriter, *, start: int) -> None:
        self.latest: dict[str, float] = {}
        self._writer = writer
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
        """Writes the record that is held, if any.

        Raises:
            FloatingPointError: If a loss or a gradient norm in it is not finite,
                naming the step and the metrics; the record is written first.
        """
        if self._pending is None:
            return
        (step, scalars), self._pending = self._pending, None
        fetched = jax.device_get(dict(scalars))
        self.latest = {name: float(value) for name, value in fetched.items()}
        last_step, last_time = self._since
        self.restart_clock(step)
        elapsed = max(self._since[1] - last_time, 1e-9)
        self.latest["perf/steps_per_second"] = (step - last_step) / elapsed
        self._writer.write_scalars(step, self.latest)
        wrong = [
            f"{name} = {value}"
            for name, value in self.latest.items()
            if name.startswith(("loss/", "grad_norm/")) and not math.isfinite(value)
        ]
        if wrong:
            self._writer.flush()
            raise FloatingPointError(f"step {step}: not finite: {', '.join(wrong)}")


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

"""Where numbers, pictures and texts of a run go to be looked at: TensorBoard."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath

from sisr_jax.run.writers import MetricWriter

BASELINE, _COMPARED = "baseline/", "eval/"


class TensorBoardWriter(MetricWriter):
    """Writes TensorBoard event files, without TensorFlow.

    At once, not in a thread as `tensorboardX.SummaryWriter` does: what `flush` returns
    from is in the file, and a full disk is an error here and not a thread that died.

    Args:
        directory: Local folder of the event files; it exists.
        baseline: Local folder likewise, for numbers called `baseline/NAME`: as
            `eval/NAME` of another run they are a line in the chart of `eval/NAME`.
        purge_step: First step that is written again by a resumed run (the
            restored one + 1): TensorBoard hides older records from there on.
    """

    def __init__(
        self, directory: epath.PathLike, baseline: epath.PathLike, purge_step: int
    ) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2

        self._protocol: Any = event_pb2  # its classes are made when it is imported
        # A run resumed within a second would else overwrite its first file.
        self._file, self._line = (
            EventsWriter(f"{folder}/events", f".{purge_step:09d}")
            for folder in (directory, baseline)
        )
        start = {"status": self._protocol.SessionLog.START}
        for file in (self._file, self._line):
            self._write(file, step=purge_step, session_log=start)

    def write_scalars(
        self, step: int, scalars: Mapping[str, float], *, protocol: str = ""
    ) -> None:
        """Adds a point to the curve of each name; a protocol is no curve."""
        from tensorboardX import summary

        del protocol
        for name, value in scalars.items():
            file, shown = self._file, name
            if name.startswith(BASELINE):
                file, shown = self._line, _COMPARED + name.removeprefix(BASELINE)
            self._write(file, step=step, summary=summary.scalar(shown, float(value)))

    def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Adds images; values outside [0, 1] are clipped."""
        from tensorboardX import summary

        for name, image in images.items():
            levels = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
            picture = summary.image(name, levels, dataformats="HWC")
            self._write(self._file, step=step, summary=picture)

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Adds texts, which TensorBoard shows as Markdown."""
        from tensorboardX import summary

        for name, text in texts.items():
            self._write(self._file, step=step, summary=summary.text(name, text))

    def flush(self) -> None:
        """Hands the events to the operating system."""
        self._file.flush()
        self._line.flush()

    def close(self) -> None:
        """Closes the event files."""
        self._file.close()
        self._line.close()

    def _write(self, file: Any, **content: Any) -> None:
        file.write_event(self._protocol.Event(wall_time=time.time(), **content))

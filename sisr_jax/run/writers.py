"""Where numbers of a run go: JSON lines, and what all writers have in common.

A record of step `s` says what was known after `s` updates, so a run restored at
step `s` keeps those up to and including `s` (`truncate_after`) and writes the
later ones again.
"""

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from etils import epath

from sisr_jax.errors import InputError
from sisr_jax.storage.failures import reporting
from sisr_jax.storage.files import check_file, write_whole
from sisr_jax.storage.upload_buffer import UploadBuffer


class MetricWriter(Protocol):
    """Something that keeps numbers, pictures and text; by default it drops them."""

    def write_scalars(
        self, step: int, scalars: Mapping[str, float], *, protocol: str = ""
    ) -> None:
        """Keeps one record of named numbers, and by which protocol they are."""

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Keeps named texts in Markdown."""

    def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Keeps named images `[height, width, 1]` in [0, 1]."""

    def flush(self) -> None:
        """Hands everything written to the operating system."""

    def close(self) -> None:
        """Flushes and closes files."""


class JsonLinesWriter(MetricWriter):
    """Appends one line `{"step": 12, "loss/generator": 0.5}` for each record.

    Strict JSON: a number that is not finite becomes the string `"nan"`, `"inf"`
    or `"-inf"`, which `float` reads back; the name of a protocol is a string, too.
    Images and texts are dropped.
    """

    def __init__(self, path: epath.PathLike) -> None:
        path = epath.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a")

    def write_scalars(
        self, step: int, scalars: Mapping[str, float], *, protocol: str = ""
    ) -> None:
        """Appends the line and hands it to the operating system at once."""
        numbers = {
            name: float(value) if math.isfinite(value) else str(float(value))
            for name, value in scalars.items()
        }
        named = {"protocol": protocol} if protocol else {}
        self._file.write(json.dumps({"step": int(step)} | numbers | named) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class MultiWriter(MetricWriter):
    """Passes everything on to several writers, in their order."""

    def __init__(self, writers: Sequence[MetricWriter]) -> None:
        self._writers = tuple(writers)

    def write_scalars(
        self, step: int, scalars: Mapping[str, float], *, protocol: str = ""
    ) -> None:
        """Writes to all."""
        for writer in self._writers:
            writer.write_scalars(step, scalars, protocol=protocol)

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Writes to all."""
        for writer in self._writers:
            writer.write_texts(step, texts)

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


class BufferedWriter(MetricWriter):
    """Writes the files of a run so that any storage can hold them.

    Args:
        writer: Writes into the folders of `buffers`.
        buffers: Published at each `flush`, after the writer's own.
    """

    def __init__(self, writer: MetricWriter, buffers: Sequence[UploadBuffer]) -> None:
        self._writer, self._buffers = writer, tuple(buffers)
        self._place = " and ".join(str(buffer.folder) for buffer in self._buffers)

    def write_scalars(
        self, step: int, scalars: Mapping[str, float], *, protocol: str = ""
    ) -> None:
        """Passes them on; in a bucket they are seen after the next `flush`."""
        with reporting(f"records of step {step} in {self._place}: writing"):
            self._writer.write_scalars(step, scalars, protocol=protocol)

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Passes them on; in a bucket they are seen after the next `flush`."""
        with reporting(f"texts of step {step} in {self._place}: writing"):
            self._writer.write_texts(step, texts)

    def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Passes them on; in a bucket they are seen after the next `flush`."""
        with reporting(f"images of step {step} in {self._place}: writing"):
            self._writer.write_images(step, images)

    def flush(self) -> None:
        """Returns once the storage holds everything written."""
        with reporting(f"records in {self._place}: writing"):
            self._writer.flush()
        for buffer in self._buffers:
            buffer.publish()

    def close(self) -> None:
        """Flushes and closes files."""
        with contextlib.ExitStack() as stack:
            for buffer in self._buffers:
                stack.callback(buffer.close)
            with reporting(f"records in {self._place}: writing"):
                self._writer.close()


def truncate_after(path: epath.PathLike, step: int) -> None:
    """Drops the records after `step`, and a torn last line, from a lines file.

    The file, if there is one, is replaced in one move: a kill in here is harmless.

    Raises:
        InputError: If it is no file, a line before the last one is not a record, or a
            step is no integer.
    """
    path = epath.Path(path)
    check_file(path)
    if not path.exists():
        return
    lines = path.read_bytes().splitlines()
    kept = []
    for number, line in enumerate(lines, start=1):
        try:
            recorded = json.loads(line)["step"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if number == len(lines):
                break  # the process died while writing it
            raise _not_a_record(path, number, line) from error
        if type(recorded) is not int:
            raise _not_a_record(path, number, line)
        if recorded <= step:
            kept.append(line + b"\n")
    write_whole(path, b"".join(kept))


def _not_a_record(path: epath.Path, number: int, line: bytes) -> InputError:
    return InputError(f"{path}, line {number}: {line[:80]!r} is not a record of a step")

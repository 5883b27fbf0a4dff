"""The files that the records of a run go to."""

from etils import epath

from sisr_jax.run.tensorboard import BASELINE, TensorBoardWriter
from sisr_jax.run.writers import (
    BufferedWriter,
    JsonLinesWriter,
    MetricWriter,
    MultiWriter,
    truncate_after,
)
from sisr_jax.storage.upload_buffer import UploadBuffer

METRICS_FILE = "metrics.jsonl"
EVENTS_FOLDER = "tensorboard"


def open_records(workdir: epath.Path, step: int) -> MetricWriter:
    """Opens the metric files so that they go on after a step, without repeats.

    Raises:
        InputError: If the records that are there cannot be read.
        StorageError: If the storage fails.
    """
    records, events = UploadBuffer(workdir), UploadBuffer(workdir / EVENTS_FOLDER)
    lines = UploadBuffer(workdir / EVENTS_FOLDER / BASELINE.rstrip("/"))
    path = records.fetch(METRICS_FILE)
    truncate_after(path, step)
    both = MultiWriter(
        [
            JsonLinesWriter(path),
            TensorBoardWriter(events.folder, lines.folder, purge_step=step + 1),
        ]
    )
    return BufferedWriter(both, (records, events, lines))

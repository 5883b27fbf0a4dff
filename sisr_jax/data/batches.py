"""Batches as they come out of the decoding threads, and how fast."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

import grain

from sisr_jax.types import Batch


class Rate(NamedTuple):
    """How fast batches came.

    Attributes:
        images: Images handed out.
        seconds: From the first request to the last batch.
        waited: Seconds of these in which the consumer waited for a batch; near 0
            when decoding keeps up.
    """

    images: int
    seconds: float
    waited: float

    @property
    def images_per_second(self) -> float:
        """Images handed out in a second, 0 before the first batch."""
        return self.images / self.seconds if self.seconds else 0.0


class Batches(Iterator[Batch]):
    """Batches decoded ahead by threads; `close` it, or use it in a `with`.

    Examples:
        >>> from sisr_jax.config import files, parse
        >>> from sisr_jax.data import Batches, open_source, training_batches
        >>> config = parse(files.load("us_srgan:quicktest").to_dict()).data
        >>> source = open_source(config, "train", seed=0)
        >>> batches = training_batches(source, config, seed=0, start_step=0)
        >>> isinstance(batches, Batches), next(batches).hr.shape
        (True, (4, 32, 32, 1))
        >>> batches.close()
    """

    def __init__(self, dataset: grain.MapDataset, *, num_threads: int) -> None:
        # An element is a whole batch: one in work for each thread, and one ready.
        options = grain.ReadOptions(
            num_threads=num_threads, prefetch_buffer_size=num_threads + 1
        )
        self._iterator = iter(dataset.to_iter_dataset(options))
        self._closed = False
        self._first_request = 0.0
        self._rate = Rate(0, 0.0, 0.0)

    @property
    def rate(self) -> Rate:
        """What was handed out so far, and in what time."""
        return self._rate

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self._closed:
            raise StopIteration
        asked = time.perf_counter()
        try:
            batch = next(self._iterator)
        except BaseException:  # the end, a bad image, an interrupt: no more threads
            self.close()
            raise
        now = time.perf_counter()
        images, _, waited = self._rate
        self._first_request = self._first_request or asked
        self._rate = Rate(
            images + int(batch.mask.sum()),
            now - self._first_request,
            waited + now - asked,
        )
        return batch

    def close(self) -> None:
        """Stops the decoding threads; later calls do nothing."""
        self._closed = True
        self._iterator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

"""The order of batches: a function of (seed, step) alone.

Grain's MapDatasets are indexable, so a run resumes at a step by slicing there, and
any number of processes deals out the same global batches: no iterator state is
ever stored.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import grain
import numpy as np

from sisr_jax.config import Data
from sisr_jax.data.batches import Batches
from sisr_jax.data.sources import CACHE_BYTES, Source
from sisr_jax.data.transforms import (
    central_crop,
    check_finite,
    check_fit,
    check_not_constant,
    random_crop,
    to_unit_range,
)
from sisr_jax.errors import InputError
from sisr_jax.random import Stream
from sisr_jax.types import Batch


def training_batches(
    source: Source,
    config: Data,
    *,
    seed: int,
    start_step: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Batches:
    """Endless shuffled batches, from any step on.

    Each epoch visits every image once in its own order; batches run across epoch
    borders. Example `i` of global batch `t` has `index = t * batch_size + i`, which
    also seeds its crop. Process `p` of `n` gets the examples with
    `i % n == p`.

    Args:
        source: Images in physical units.
        config: The data section; `batch_size` is the global one.
        seed: Seed of the order and the crops, 0 to 2**32 - 1.
        start_step: First step to produce.
        process_index: This process.
        process_count: Number of processes; must divide the batch.

    Returns:
        Iterator of `Batch` with `batch_size // process_count` examples. An unfit
        image raises its InputError from `next`.

    Raises:
        InputError: If the source is empty, or an argument is out of range.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"seed = {seed}: expected 0 <= seed < 2**32")
    if start_step < 0:
        raise InputError(f"start_step = {start_step}: expected 0 or more")
    local = _local_batch(
        source,
        config.batch_size,
        "config.data.batch_size",
        process_index,
        process_count,
    )

    def load(position: int, index: int) -> Batch:
        image = _load(source, config, index)
        if config.fit == "crop":
            rng = np.random.default_rng([seed, int(Stream.CROP), position])
            image = random_crop(image, config.shape, rng=rng)
        return _example(image, position, real=True)

    order = grain.MapDataset.range(len(source)).shuffle(seed=seed).repeat()
    examples = order.map_with_index(load)[process_index::process_count]
    batches = examples.batch(local, drop_remainder=True)
    return Batches(batches[start_step:], num_threads=config.num_threads)


def evaluation_batches(
    source: Source,
    config: Data,
    *,
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Batches:
    """Every image once, in order, in batches of one size.

    The last batch is filled up with zero images whose mask is False, and every
    process yields the same number of batches. `index` is the position in the
    source; the padding continues counting. Larger images are cropped centrally.

    Args:
        source: Images in physical units.
        config: The data section; its `batch_size` is not used.
        batch_size: Global batch.
        process_index: This process; it gets examples `process_index`,
            `process_index + process_count`, ... of each batch.
        process_count: Number of processes; must divide the batch.

    Returns:
        Iterator of `Batch` with `batch_size // process_count` examples. An unfit
        image raises its InputError from `next`.

    Raises:
        InputError: If the source is empty, or an argument is out of range.
    """
    local = _local_batch(source, batch_size, "batch_size", process_index, process_count)

    def load(index: int) -> Batch:
        if index >= len(source):
            return _example(np.zeros(config.shape, np.float32), index, real=False)
        image = _load(source, config, index)
        return _example(central_crop(image, config.shape), index, real=True)

    num_batches = -(-len(source) // batch_size)
    positions = grain.MapDataset.range(num_batches * batch_size)
    examples = positions[process_index::process_count].map(load)
    return Batches(examples.batch(local), num_threads=config.num_threads)


def check_images(source: Source, config: Data) -> None:
    """Decodes the images that the cache can hold, and refuses unfit ones.

    Nothing is done twice, as training then reads them from the cache. What is
    beyond it is checked when it is first read.

    Args:
        source: Images in physical units.
        config: The data section.

    Raises:
        InputError: The first unfit image by name, and what is wrong with it.
    """
    count = min(len(source), CACHE_BYTES // (4 * math.prod(config.shape)))
    pool = ThreadPoolExecutor(config.num_threads)
    try:
        for _ in pool.map(lambda index: _load(source, config, index), range(count)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def _local_batch(
    source: Source, batch_size: int, key: str, process_index: int, process_count: int
) -> int:
    if len(source) == 0:
        raise InputError("the source has no images")
    if not 0 <= process_index < process_count:
        raise InputError(
            f"process_index = {process_index}: expected 0 <= index < {process_count}"
        )
    if batch_size < 1 or batch_size % process_count:
        raise InputError(
            f"{key} = {batch_size}: expected a positive multiple of the "
            f"{process_count} processes"
        )
    return batch_size // process_count


def _load(source: Source, config: Data, index: int) -> np.ndarray:
    """Image in [0, 1], of its own size, or an error that names it."""
    image, name = source[index], source.name(index)
    check_fit(image.shape, config.shape, fit=config.fit, name=name)
    check_finite(image, name=name)
    image = to_unit_range(image, config.window)
    check_not_constant(image, name=name)
    return image


def _example(image: np.ndarray, index: int, *, real: bool) -> Batch:
    return Batch(image[..., None], np.bool_(real), np.int32(index))

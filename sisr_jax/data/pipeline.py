"""The order of batches: a function of (seed, step) alone.

Grain's MapDatasets are indexable, so a run resumes at a step by slicing there, and
any number of processes deals out the same global batches: no iterator state is
ever stored.
"""

from collections.abc import Callable, Sequence
from typing import cast

import grain
import numpy as np

from sisr_jax.config import Data
from sisr_jax.data.batches import Batches
from sisr_jax.data.checks import load_content, load_image
from sisr_jax.data.sources import Source
from sisr_jax.data.transforms import central_crop, is_constant, random_crop
from sisr_jax.errors import InputError
from sisr_jax.random import Stream
from sisr_jax.types import Batch


def training_batches(
    source: Source,
    config: Data,
    *,
    seed: int,
    start_step: int,
    rows: Sequence[int] | None = None,
) -> Batches:
    """Endless shuffled batches, from any step on.

    Each epoch visits every image once in its own order; batches run across epoch
    borders. Row `i` of global batch `t` has `index = t * batch_size + i`, which also
    seeds its crop. Several processes read disjoint rows of the same global batches.
    The turn of an image without content goes to the next one.

    Args:
        source: Images in physical units.
        config: The data section; `batch_size` is the global one.
        seed: Seed of the order and the crops, 0 to 2**32 - 1.
        start_step: First step to produce.
        rows: Which rows of each global batch to read; all if None.

    Returns:
        Iterator of `Batch` with these rows. An unfit image raises its InputError
        from `next`.

    Raises:
        InputError: If the source is empty, or an argument is out of range.

    Examples:
        >>> from sisr_jax.config import files, parse
        >>> from sisr_jax.data import open_source, training_batches
        >>> config = parse(files.load("us_srgan:quicktest").to_dict()).data
        >>> source = open_source(config, "train", seed=0)
        >>> with training_batches(source, config, seed=0, start_step=7) as batches:
        ...     batch = next(batches)
        ...
        >>> batch.hr.shape == (config.batch_size, *config.shape, 1)
        True
        >>> batch.index
        array([28, 29, 30, 31], dtype=int32)
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"seed = {seed}: expected 0 <= seed < 2**32")
    if start_step < 0:
        raise InputError(f"start_step = {start_step}: expected 0 or more")
    size = config.batch_size
    rows = _checked_rows(source, size, "config.data.batch_size", rows)

    order = grain.MapDataset.range(len(source)).shuffle(seed=seed).repeat()

    def load(position: int) -> Batch:
        image = load_content(source, config, cast(int, order[position]))
        if config.fit == "crop":
            rng = np.random.default_rng([seed, int(Stream.CROP), position])
            image = random_crop(image, config.shape, rng=rng)
        return _example(image, position, real=True)

    steps = grain.MapDataset.range(len(order) // size)
    batches = steps.map(lambda step: _stack(load, step * size, rows))
    return Batches(batches[start_step:], num_threads=config.num_threads)


def evaluation_batches(
    source: Source,
    config: Data,
    *,
    batch_size: int,
    rows: Sequence[int] | None = None,
) -> Batches:
    """Every image once, in order, in batches of one size.

    The last batch is filled up with zero images whose mask is False, and every
    process yields the same number of batches. `index` is the position in the
    source; the padding continues counting. Larger images are cropped centrally. The
    mask is False for images without content, too, which cannot be scored.

    Args:
        source: Images in physical units.
        config: The data section; its `batch_size` is not used.
        batch_size: Global batch.
        rows: Which rows of each global batch to read; all if None.

    Returns:
        Iterator of `Batch` with these rows. An unfit image raises its InputError
        from `next`.

    Raises:
        InputError: If the source is empty, or an argument is out of range.

    Examples:
        >>> from sisr_jax.config import files, parse
        >>> from sisr_jax.data import evaluation_batches, open_source
        >>> config = parse(files.load("us_srgan:quicktest").to_dict()).data
        >>> source = open_source(config, "test", seed=0)
        >>> with evaluation_batches(source, config, batch_size=4) as batches:
        ...     masks = [batch.mask.tolist() for batch in batches]
        ...
        >>> len(source), masks
        (3, [[True, True, True, False]])
    """
    rows = _checked_rows(source, batch_size, "batch_size", rows)

    def load(index: int) -> Batch:
        if index >= len(source):
            return _example(np.zeros(config.shape, np.float32), index, real=False)
        image = central_crop(load_image(source, config, index), config.shape)
        return _example(image, index, real=not is_constant(image))

    steps = grain.MapDataset.range(-(-len(source) // batch_size))
    batches = steps.map(lambda step: _stack(load, step * batch_size, rows))
    return Batches(batches, num_threads=config.num_threads)


def _checked_rows(
    source: Source, batch_size: int, key: str, rows: Sequence[int] | None
) -> Sequence[int]:
    if len(source) == 0:
        raise InputError("the source has no images")
    if batch_size < 1:
        raise InputError(f"{key} = {batch_size}: expected 1 or more")
    if rows is None:
        return range(batch_size)
    if not rows or min(rows) < 0 or max(rows) >= batch_size:
        raise InputError(f"rows = {rows}: expected rows of {key} = {batch_size}")
    return rows


def _stack(load: Callable[[int], Batch], first: int, rows: Sequence[int]) -> Batch:
    """Some rows of the global batch that begins at example `first`."""
    examples = [load(first + row) for row in rows]
    return Batch(*map(np.stack, zip(*examples, strict=True)))


def _example(image: np.ndarray, index: int, *, real: bool) -> Batch:
    return Batch(image[..., None], np.bool_(real), np.int32(index))

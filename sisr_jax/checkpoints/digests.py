"""What was saved, in 64 bits for each array, to compare with what is restored.

Storage formats check some of their bytes, not all: a bit that flips on a disk can come
back as another weight. Digests are made of the arrays in memory before a save, are an
item of the same checkpoint, complete when it is, and are made anew after a restore.

The digest of an array is the sum of the hashes of its rows, so that processes which
hold different rows need to exchange nothing but sums, and that it does not depend on
the devices.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax.experimental import multihost_utils

ITEM = "digests"
_FILE = "metadata"  # the name that Orbax gives it
_BITS = 64


def digests_of(items: Mapping[str, Any]) -> dict[str, str]:
    """The digest of each array.

    Every process that holds a part must call it; all get the whole.

    Args:
        items: Arrays on devices or in memory, by any names. Where an array is split
            over processes, then along its leading axis alone.

    Returns:
        Hexadecimal digests by paths such as `generator/params/Conv_0/kernel`.
    """
    leaves = {
        jax.tree_util.keystr(path, simple=True, separator="/"): _plain(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(dict(items))
    }
    with ThreadPoolExecutor() as threads:  # hashing does not hold the interpreter up
        found = threads.map(_sum_of_hashes, leaves.values())
        sums = dict(zip(leaves, found, strict=True))
    split = [name for name, leaf in leaves.items() if not _is_whole(leaf)]
    sums |= zip(split, _over_processes([sums[name] for name in split]), strict=True)
    return {name: f"{total % 2**_BITS:016x}" for name, total in sums.items()}


def recorded_digests(checkpoint: epath.Path) -> dict[str, str] | None:
    """The digests that were saved; None in checkpoints of versions without them.

    Args:
        checkpoint: Folder of one step.

    Raises:
        ValueError: If they cannot be read.
        OSError: If the storage fails.
    """
    folder = checkpoint / ITEM
    if not folder.exists():
        return None
    found = json.loads((folder / _FILE).read_bytes())
    if not isinstance(found, dict):
        raise ValueError(f"{folder / _FILE}: expected an object")
    return found


def changed(items: Mapping[str, Any], recorded: Mapping[str, str]) -> list[str]:
    """Paths of the arrays that are not those that were saved, in their order."""
    found = digests_of(items)
    return [name for name, digest in found.items() if recorded.get(name) != digest]


def _plain(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.key_data(leaf)
    return leaf


def _is_whole(leaf: Any) -> bool:
    """Whether this process holds all of an array."""
    if not isinstance(leaf, jax.Array):
        return True
    return leaf.is_fully_addressable or leaf.is_fully_replicated


def _sum_of_hashes(leaf: Any) -> int:
    return sum(
        _hash(number, row)
        for start, part in _parts(leaf)
        for number, row in enumerate(_rows(part), start)
    )


def _parts(leaf: Any) -> Iterator[tuple[int, np.ndarray]]:
    """What this process answers for, and the row that it begins with."""
    if _is_whole(leaf):
        yield 0, np.asarray(leaf)
        return
    for shard in leaf.addressable_shards:
        if shard.replica_id == 0:
            yield shard.index[0].start or 0, np.asarray(shard.data)


def _rows(array: np.ndarray) -> np.ndarray:
    """The array as rows of bytes; one that has no rows is one."""
    shape = (len(array), -1) if array.ndim > 1 and array.size else (1, -1)
    return np.ascontiguousarray(array).reshape(shape).view(np.uint8)


def _hash(number: int, row: np.ndarray) -> int:
    digest = hashlib.blake2b(number.to_bytes(8, "little"), digest_size=_BITS // 8)
    digest.update(row.data)
    return int.from_bytes(digest.digest(), "little")


def _over_processes(sums: list[int]) -> list[int]:
    """The sums over all processes of theirs."""
    if not sums:
        return []
    # As pairs of 32 bits, which is what JAX transfers by default.
    mine = np.array([total % 2**_BITS for total in sums], np.uint64).view(np.uint32)
    gathered = np.asarray(multihost_utils.process_allgather(mine), np.uint32)
    columns = np.ascontiguousarray(gathered).view(np.uint64).T
    return [sum(map(int, column)) for column in columns]

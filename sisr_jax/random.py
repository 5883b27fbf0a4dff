"""Named random streams: a key is a function of (root key, stream, index).

Nothing is split and carried, so a resumed run, another device count or another
batch size draws the same numbers for the same example.
"""

import enum

import jax
from jaxtyping import Array, Int
from jaxtyping import Key as TypedKey

from sisr_jax.types import Key


class Stream(enum.IntEnum):
    """What a key is used for. Values are part of the checkpoint contract."""

    INIT_GENERATOR = 0
    INIT_DISCRIMINATOR = 1
    AUGMENT = 2
    DEGRADE = 3
    CROP = 4


def stream(root: Key, name: Stream, index: int | Int[Array, ""] = 0) -> Key:
    """Key of one stream at one index.

    Args:
        root: Typed root key of the run (`jax.random.key`).
        name: The stream.
        index: Step, or 0 for things drawn once.
    """
    return jax.random.fold_in(jax.random.fold_in(root, int(name)), index)


def per_example(key: Key, index: Int[Array, " batch"]) -> TypedKey[Array, " batch"]:
    """One key for each example, folded from its index in the data stream."""
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(index)

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

    Examples:
        >>> import jax
        >>> from sisr_jax.random import Stream, stream
        >>> root = jax.random.key(0)
        >>> again, other = stream(root, Stream.CROP, 7), stream(root, Stream.CROP, 8)
        >>> bool(stream(root, Stream.CROP, 7) == again), bool(again == other)
        (True, False)
    """
    return jax.random.fold_in(jax.random.fold_in(root, int(name)), index)


def per_example(key: Key, index: Int[Array, " batch"]) -> TypedKey[Array, " batch"]:
    """One key for each example, folded from its index in the data stream.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from sisr_jax.random import per_example
        >>> key = jax.random.key(0)
        >>> whole = per_example(key, jnp.arange(8))
        >>> bool(whole[5] == per_example(key, jnp.array([5]))[0])  # whatever the batch
        True
    """
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(index)

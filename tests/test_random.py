"""Streams are independent of each other and of the batch they are drawn in."""

import jax
import jax.numpy as jnp
import numpy as np

from sisr_jax.random import Stream, per_example, stream


def _data(key):
    return jax.random.key_data(key).tolist()


def test_streams_and_indices_differ(key):
    keys = [_data(stream(key, name, index)) for name in Stream for index in range(3)]
    assert len({tuple(k) for k in keys}) == len(Stream) * 3


def test_same_name_and_index_give_the_same_key(key):
    traced = jax.jit(lambda index: stream(key, Stream.CROP, index))(jnp.int32(7))
    assert _data(traced) == _data(stream(key, Stream.CROP, 7))


def test_an_example_keeps_its_key_in_any_batch(key):
    there = per_example(key, jnp.array([3, 1, 2]))
    alone = per_example(key, jnp.array([2]))
    assert _data(there)[2] == _data(alone)[0]
    assert len({tuple(k) for k in _data(there)}) == 3


def test_keys_of_examples_do_not_repeat(key):
    index = jnp.concatenate([jnp.arange(20_000), 2**30 + jnp.arange(1000)])
    keys = np.asarray(jax.random.key_data(per_example(key, index)))
    assert len(np.unique(keys, axis=0)) == len(index)


def test_numbers_of_the_streams_are_a_contract():
    """Changing one would change what a resumed run draws."""
    assert {name.name: int(name) for name in Stream} == {
        "INIT_GENERATOR": 0,
        "INIT_DISCRIMINATOR": 1,
        "AUGMENT": 2,
        "DEGRADE": 3,
        "CROP": 4,
    }

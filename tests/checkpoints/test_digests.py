"""Digests see every bit, and nothing of how arrays lie on devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from sisr_jax.checkpoints.digests import changed, digests_of
from sisr_jax.hosts.mesh import make_mesh

ARRAYS = {
    "matrix": np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32),
    "kernel": np.random.default_rng(1).normal(size=(3, 3, 2, 4)).astype(np.float32),
    "vector": np.arange(7, dtype=np.float32),
    "number": np.int32(5),
    "half": jnp.arange(6, dtype=jnp.bfloat16).reshape(2, 3),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
}


@pytest.mark.parametrize("name", [name for name in ARRAYS if name != "empty"])
def test_any_bit_that_flips_is_seen(name):
    recorded = digests_of({"item": ARRAYS})
    for position in range(0, 8 * np.asarray(ARRAYS[name]).nbytes, 37):
        array = np.array(ARRAYS[name])
        flat = array.reshape(-1).view(np.uint8)
        flat[position // 8] ^= 1 << position % 8
        assert changed({"item": ARRAYS | {name: array}}, recorded) == [f"item/{name}"]


def test_rows_that_change_places_are_seen():
    swapped = ARRAYS | {"matrix": ARRAYS["matrix"][::-1]}
    assert changed(swapped, digests_of(ARRAYS)) == ["matrix"]


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("spec", [PartitionSpec(), PartitionSpec("data")])
def test_devices_make_no_difference(count, spec):
    sharding = NamedSharding(make_mesh(count), spec)
    matrix = jax.device_put(ARRAYS["matrix"], sharding)
    assert digests_of({"matrix": matrix}) == digests_of({"matrix": ARRAYS["matrix"]})


def test_a_key_and_a_new_array_are_seen():
    recorded = digests_of({"key": jax.random.key(3)})
    assert not changed({"key": jax.random.key(3)}, recorded)
    assert changed({"key": jax.random.key(4)}, recorded) == ["key"]
    assert changed({"other": np.zeros(2)}, recorded) == ["other"]


def test_digests_do_not_change_between_versions():
    found = digests_of({"a": {"b": np.arange(6, dtype=np.float32).reshape(2, 3)}})
    assert found == {"a/b": "005df87673dd6149"}

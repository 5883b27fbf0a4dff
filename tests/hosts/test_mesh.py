"""The mesh, batches on it, and the divisibility error."""

import jax
import numpy as np
import pytest

from sisr_jax.errors import InputError
from sisr_jax.hosts.mesh import check_divisible, make_mesh, to_devices
from sisr_jax.types import Batch


@pytest.mark.parametrize("count", [1, 2, 4])
def test_batch_is_split_along_data(count):
    mesh = make_mesh(count)
    hr = np.arange(4.0, dtype=np.float32).reshape(4, 1, 1, 1)
    batch = to_devices(Batch(hr, np.ones(4, bool), np.arange(4, dtype=np.int32)), mesh)
    assert mesh.axis_names == ("data", "model")
    np.testing.assert_array_equal(batch.hr, hr)
    shards = batch.hr.addressable_shards
    assert [shard.data.shape[0] for shard in shards] == [4 // count] * count


def test_indivisible_batch_shows_the_arithmetic():
    mesh = make_mesh(4)
    check_divisible(8, mesh, "data.batch_size")
    with pytest.raises(InputError, match=r"data\.batch_size = 6.*4 devices.*6 % 4 = 2"):
        check_divisible(6, mesh, "data.batch_size")


def test_default_mesh_takes_all_devices():
    assert make_mesh().shape["data"] == len(jax.devices())

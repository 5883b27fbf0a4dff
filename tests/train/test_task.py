"""How a task lies on devices."""

import jax
import jax.numpy as jnp
import pytest

from sisr_jax.errors import InputError
from sisr_jax.hosts.mesh import make_mesh
from sisr_jax.train import task as module
from sisr_jax.train.task import state_sharding


@pytest.mark.parametrize(("shape", "fits"), [((6, 5), True), ((5, 6), False)])
def test_inputs_of_the_head_are_split(monkeypatch, shape, fits):
    head = {"Dense_0": {"kernel": jnp.zeros(shape), "bias": jnp.zeros(shape[1])}}
    monkeypatch.setattr(module, "create_state", lambda task: head)
    monkeypatch.setattr(jax, "eval_shape", lambda make, task: make(task))
    mesh = make_mesh(model=2)
    if not fits:
        with pytest.raises(InputError, match=r"model = 2: expected a divisor of the 5"):
            state_sharding(None, mesh)
        return
    found = state_sharding(None, mesh)["Dense_0"]
    assert found["kernel"].shard_shape(shape) == (3, 5)
    assert found["bias"].is_fully_replicated

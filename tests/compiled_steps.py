"""Training steps that several files of tests share, because compiling dominates."""

import functools

import jax
import pytest

from sisr_jax.train.steps import STEPS
from sisr_jax.train.task import build_task, fresh_state


class Steps:
    """Tasks, first states and compiled steps by configuration, each made once."""

    def __init__(self, load):
        self._load = load
        self.task = functools.cache(self._task)
        self.state = functools.cache(self._state)
        self.step = functools.cache(self._step)

    def _task(self, name, changes):
        return build_task(self._load(name, **dict(changes)))

    def _state(self, name, changes):
        return fresh_state(self.task(name, changes), None)

    def _step(self, name, phase, changes):
        """Donates nothing."""
        return jax.jit(functools.partial(STEPS[phase], self.task(name, changes)))


@pytest.fixture(scope="session")
def steps(load_config):
    return Steps(load_config)

"""What a plan would hold is what it holds, and no more than the machine."""

import re

import jax
import numpy as np
import pytest

from sisr_jax.errors import InputError
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT, plan, planning
from sisr_jax.tomography.planning import plan_size


@pytest.mark.parametrize(
    "beam",
    [
        ParallelBeam(16, 8),
        ParallelBeam(33, 63),
        ParallelBeam(20, angles=np.arange(40) * np.pi / 20),
        ParallelBeam(1, 1),
    ],
)
def test_a_plan_has_as_many_numbers(beam):
    assert plan_size(beam) == sum(leaf.size for leaf in jax.tree.leaves(plan(beam)))


def test_a_plan_that_memory_cannot_hold_is_one_line(monkeypatch):
    beam = ParallelBeam(23, 37)  # no other test plans it, and plans are kept
    bytes_of_it = 4 * plan_size(beam)
    monkeypatch.setattr(planning, "_memory_bytes", lambda: bytes_of_it - 1)
    expected = "size = 23, views = 37: 0.0 GB of matrices, expected at most what"
    with pytest.raises(InputError, match=re.escape(expected)):
        ParallelBeamCT(beam)(np.zeros((23, 23), np.float32))
    monkeypatch.setattr(planning, "_memory_bytes", lambda: bytes_of_it)
    plan(beam)

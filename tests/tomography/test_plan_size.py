"""What a plan would hold is what it holds."""

import jax
import numpy as np
import pytest

from sisr_jax.tomography import ParallelBeam, plan
from sisr_jax.tomography.plan_size import plan_size


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

"""The order of work of a TPU against that of an ordinary processor, both run here."""

import jax
import numpy as np
import pytest

from sisr_jax.tomography import ParallelBeam, linogram, plan

# An even size with views that share slopes by fours, and an odd one with views that
# do not, enough of them that slopes are filled up.
BEAMS = [
    ParallelBeam(16, num_angles=64),
    ParallelBeam(17, num_angles=1000).every(27),
]


@pytest.mark.parametrize("operator", ["project", "transpose"])
@pytest.mark.parametrize("beam", BEAMS, ids=repr)
def test_orders_of_work_agree(monkeypatch, beam, operator):
    shape = (
        (beam.size, beam.size)
        if operator == "project"
        else (beam.num_angles, beam.num_detectors)
    )
    values = jax.random.normal(jax.random.key(0), (3, *shape))
    function = getattr(linogram, operator).__wrapped__

    def apply():
        # A new function each time: a cache would not see that the platform is another.
        return jax.jit(lambda values, planned: function(values, planned))(
            values, plan(beam)
        )

    here = apply()
    chosen = []

    def as_on_a_tpu(*operands, cpu, default):
        chosen.append((cpu, default))
        return default(*operands)

    monkeypatch.setattr(jax.lax, "platform_dependent", as_on_a_tpu)
    there = apply()
    assert chosen
    assert np.linalg.norm(there - here) < 1e-6 * np.linalg.norm(here)


def test_slopes_that_fill_a_register_change_nothing():
    beam = ParallelBeam(16, num_angles=1000).every(27)
    views = [ParallelBeam(16, angles=[angle]) for angle in beam.angles]
    image = jax.random.normal(jax.random.key(0), (16, 16))
    together = linogram.project(image, plan(beam))
    assert sum(group.projection_gain.shape[1] for group in plan(beam).groups) > len(
        views
    )
    alone = [linogram.project(image, plan(view))[0] for view in views[::6]]
    np.testing.assert_allclose(together[::6], alone, rtol=1e-5, atol=1e-5)

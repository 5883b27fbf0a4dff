"""The phase is a function of the step."""

import dataclasses

import pytest

from sisr_jax.config import ConfigError, Phases
from sisr_jax.train import phases
from sisr_jax.train.steps import STEPS

ALL = Phases(generator=3, discriminator=2, adversarial=4)


def test_every_step_has_its_phase():
    names = [phases.phase_at(ALL, step).name for step in range(9)]
    assert names == ["generator"] * 3 + ["discriminator"] * 2 + ["adversarial"] * 4
    assert phases.total_steps(ALL) == 9
    assert phases.borders(ALL) == (3, 5, 9)
    assert phases.adversarial_start(ALL) == 5


def test_a_phase_without_steps_is_left_out():
    config = Phases(generator=0, discriminator=0, adversarial=4)
    assert phases.schedule(config) == (phases.Phase("adversarial", 0, 4),)
    assert phases.adversarial_start(config) == 0
    assert phases.adversarial_start(dataclasses.replace(config, adversarial=0)) is None


def test_every_phase_has_a_step_and_moves_a_network():
    fields = dataclasses.fields(Phases)
    assert [field.name for field in fields] == list(STEPS)
    networks = {"generator", "discriminator"}
    assert all(set(field.metadata["moves"]) <= networks for field in fields)


def test_updates_are_counted_for_each_network():
    assert phases.num_updates(ALL, "generator") == 7
    assert phases.num_updates(ALL, "discriminator") == 6


def test_steps_outside_the_run_have_no_phase():
    with pytest.raises(ValueError, match="step 9 is outside the 9 steps"):
        phases.phase_at(ALL, 9)


def test_the_last_phase_is_extended_and_no_other():
    assert phases.extended(ALL, 20) == dataclasses.replace(ALL, adversarial=15)
    assert phases.extended(ALL, 9) == ALL
    pixels = Phases(generator=3, discriminator=0, adversarial=0)
    assert phases.extended(pixels, 5) == dataclasses.replace(pixels, generator=5)


@pytest.mark.parametrize("num_steps", [8, 0, -1])
def test_a_run_is_not_made_shorter(num_steps):
    with pytest.raises(ConfigError, match=f"--extend={num_steps}: expected at least"):
        phases.extended(ALL, num_steps)

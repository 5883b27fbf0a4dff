"""Which phase a step belongs to: a function of the step and the configuration.

Nothing about phases is stored, so a resumed run lands in the right one.
"""

from typing import Literal, NamedTuple

from sisr_jax.config import Phases

PhaseName = Literal["generator", "discriminator", "adversarial"]


class Phase(NamedTuple):
    """Steps `start <= step < stop` of one kind."""

    name: PhaseName
    start: int
    stop: int


def schedule(config: Phases) -> tuple[Phase, ...]:
    """The phases that have steps, in order."""
    steps: tuple[tuple[PhaseName, int], ...] = (
        ("generator", config.generator),
        ("discriminator", config.discriminator),
        ("adversarial", config.adversarial),
    )
    phases, start = [], 0
    for name, num_steps in steps:
        if num_steps:
            phases.append(Phase(name, start, start + num_steps))
            start += num_steps
    return tuple(phases)


def total_steps(config: Phases) -> int:
    """Steps of the whole run."""
    return config.generator + config.discriminator + config.adversarial


def phase_at(config: Phases, step: int) -> Phase:
    """The phase that takes the state from `step` to `step + 1`.

    Raises:
        ValueError: If the run has no such step.
    """
    for phase in schedule(config):
        if phase.start <= step < phase.stop:
            return phase
    raise ValueError(f"step {step} is outside the {total_steps(config)} steps to run")


def borders(config: Phases) -> tuple[int, ...]:
    """Steps at which a phase ends: their checkpoints are never deleted.

    The one before the adversarial phase holds the generator trained on pixels
    alone, which the final table sets beside the adversarial one.
    """
    return tuple(phase.stop for phase in schedule(config))


def adversarial_start(config: Phases) -> int | None:
    """First step of the adversarial phase, if the run has one."""
    if config.adversarial == 0:
        return None
    return config.generator + config.discriminator


def generator_updates(config: Phases) -> int:
    """Updates the generator gets over the whole run."""
    return config.generator + config.adversarial


def discriminator_updates(config: Phases) -> int:
    """Updates the discriminator gets over the whole run."""
    return config.discriminator + config.adversarial

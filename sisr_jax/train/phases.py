"""Which phase a step belongs to: a function of the step and the configuration.

Nothing about phases is stored, so a resumed run lands in the right one.
"""

import dataclasses
from typing import NamedTuple

from sisr_jax.config import ConfigError, Phases


class Phase(NamedTuple):
    """Steps `start <= step < stop` of one kind, by its name in `Phases`."""

    name: str
    start: int
    stop: int


def schedule(config: Phases) -> tuple[Phase, ...]:
    """The phases that have steps, in order."""
    phases, start = [], 0
    for field in dataclasses.fields(config):
        num_steps = getattr(config, field.name)
        if num_steps:
            phases.append(Phase(field.name, start, start + num_steps))
            start += num_steps
    return tuple(phases)


def total_steps(config: Phases) -> int:
    """Steps of the whole run."""
    return sum(dataclasses.asdict(config).values())


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
    starts = {phase.name: phase.start for phase in schedule(config)}
    return starts.get("adversarial")


def num_updates(config: Phases, network: str) -> int:
    """Updates a network gets over the whole run."""
    return sum(
        getattr(config, field.name)
        for field in dataclasses.fields(config)
        if network in field.metadata["moves"]
    )


def extended(config: Phases, num_steps: int) -> Phases:
    """Phases of which the last is longer, so that a run has some steps.

    Args:
        config: The phases; they may have that many steps already.
        num_steps: Of the whole run.

    Raises:
        ConfigError: If the phases have more steps, or none.
    """
    now = total_steps(config)
    if not 0 < now <= num_steps:
        raise ConfigError(
            f"--extend={num_steps}: expected at least the {now} steps of the run"
        )
    last = schedule(config)[-1]
    return dataclasses.replace(config, **{last.name: num_steps - last.start})

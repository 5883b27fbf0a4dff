"""What tests of the training path ask of a state."""


def learned(state):
    """All that a step may move, besides its counters."""
    return (state.generator, state.discriminator, state.generator_ema)


def counts(state):
    """Steps, skipped steps, and those skipped in a row."""
    return int(state.step), int(state.skipped), int(state.skipped_in_a_row)

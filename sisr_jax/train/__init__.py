"""Training: state, optimisers, steps, phases, checkpoints and the loop."""

"""Learning, and nothing that touches a file: state, task, pairs, steps, phases."""

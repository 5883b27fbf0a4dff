"""From trained weights and a measurement to an estimate."""

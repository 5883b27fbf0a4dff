"""Configurations: values, never logic. The keys are those of `sisr_jax.config`."""

"""Super-resolution of medical images degraded by their own physics, in JAX."""

import sys

from sisr_jax.errors import end_at_interrupts

__version__ = "0.1.0"

# As long as Python looks for the module that `python -m` names.
if sys.argv[:1] == ["-m"] and any(
    argument.partition(".")[0] == "sisr_jax" for argument in sys.orig_argv
):
    end_at_interrupts()

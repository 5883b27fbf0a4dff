"""Super-resolution of medical images degraded by their own physics, in JAX."""

__version__ = "0.1.0"

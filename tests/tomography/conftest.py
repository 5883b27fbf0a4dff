import jax
import pytest


@pytest.fixture
def double_precision():
    """Switches float64 on for one test, in a way every supported jax knows."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)

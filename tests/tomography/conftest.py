import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def _optimised(as_users_compile):
    """All other rooms rest on these operators, which are tested as users run them."""


@pytest.fixture
def double_precision():
    """Switches float64 on for one test, in a way every supported jax knows."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)

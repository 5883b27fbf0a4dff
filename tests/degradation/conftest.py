import pytest


@pytest.fixture(scope="module", autouse=True)
def _compiled_quickly(quick_compilation):
    """What is computed here is tested below, as users compile it."""

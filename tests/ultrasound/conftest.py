import pytest


@pytest.fixture(scope="module", autouse=True)
def _optimised(as_users_compile):
    """All other rooms rest on these operators, which are tested as users run them."""

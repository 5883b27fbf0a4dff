"""Programs of this folder run a few tiny steps: compiling them dominates."""

import pytest


@pytest.fixture(autouse=True)
def _quick(quick_compilation):
    """Every test of this folder."""

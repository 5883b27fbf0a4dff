"""Comparing trees of arrays."""

import jax
import numpy as np


def same(a, b):
    """Whether two trees are equal to the bit."""
    return all(
        np.array_equal(x, y)
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )

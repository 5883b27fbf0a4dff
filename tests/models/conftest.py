"""Parameters drawn by NumPy: compiling a network's own initialiser is slow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest


def _draw(path, leaf, random):
    name = path[-1].key
    if name == "kernel":
        deviation = 1 / np.sqrt(np.prod(leaf.shape[:-1]))
        values = random.normal(0, deviation, leaf.shape)
    elif name in ("scale", "var", "slope"):
        values = random.uniform(0.5, 1.0, leaf.shape)
    else:
        values = random.normal(0, 0.1, leaf.shape)
    return jnp.asarray(values, leaf.dtype)


@pytest.fixture
def shapes_of():
    """Shapes and types of a network's variables."""

    def shapes(model, *shape):
        return jax.eval_shape(
            lambda key: model.init(key, jnp.zeros(shape), train=False),
            jax.random.key(0),
        )

    return shapes


@pytest.fixture
def fill(shapes_of):
    """Random variables of a network, far from its initial zeros and ones."""

    def filled(model, *shape):
        random = np.random.default_rng(1)
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: _draw(path, leaf, random), shapes_of(model, *shape)
        )

    return filled


@pytest.fixture
def count():
    """Number of values in the leaves whose path contains a word."""

    def number(tree, word=""):
        return sum(
            leaf.size
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
            if word in jax.tree_util.keystr(path)
        )

    return number

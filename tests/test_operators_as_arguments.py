"""Operators as values: arguments of programs, leaves of trees, carries of loops."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from operator_cases import MAKE, each, images_of


@each
def test_a_program_takes_its_arrays_as_arguments(make):
    """Nothing of the size of an image or a matrix is a constant of the program."""
    operator = make()
    x = images_of(operator)
    largest = min(x.size, operator(x).size) // 2

    def everything(operator, x):
        y = operator(x)
        outputs = y, operator.T(y), operator.gram(x), operator.norm()
        return outputs, jax.grad(lambda x: jnp.sum(operator(x) ** 2))(x)

    text = jax.jit(everything).lower(operator, x).as_text()
    literals = re.findall(r'dense<"0x([0-9A-F]+)"', text)
    assert sum(len(literal) // 8 for literal in literals) <= largest
    closed = jax.jit(lambda x: everything(operator, x)).lower(x).as_text()
    if jax.tree.leaves(operator):
        assert len(closed) > len(text)


@each
def test_values_of_one_geometry_share_a_program(make):
    traces = []

    @jax.jit
    def apply(operator, x):
        traces.append(operator)
        return operator.gram(x)

    first, second = make(), make()
    x = images_of(first)
    expected = apply(first, x)
    np.testing.assert_array_equal(apply(second, x), expected)
    np.testing.assert_array_equal(apply(jax.tree.map(jnp.copy, second), x), expected)
    assert len(traces) == 1
    assert apply._cache_size() == 1
    np.testing.assert_allclose(expected, first.gram(x), rtol=1e-4, atol=1e-4)


@each
def test_transformations_of_an_argument(make):
    operator = make()
    x, stack = images_of(operator), images_of(operator, batch=(3,))
    tolerance = {"rtol": 1e-4, "atol": 1e-4}

    def energy(operator, x):
        return jnp.sum(operator(x) ** 2) / 2

    expected = operator.gram(x)
    gradient = jax.jit(jax.grad(energy, argnums=1))(operator, x)
    np.testing.assert_allclose(gradient, expected, **tolerance)
    recomputed = jax.jit(jax.grad(jax.checkpoint(energy), argnums=1))(operator, x)
    np.testing.assert_allclose(recomputed, expected, **tolerance)
    each = jax.jit(jax.vmap(lambda a, x: a(x), in_axes=(None, 0)))(operator, stack)
    np.testing.assert_allclose(each, operator(stack), **tolerance)


@each
def test_scans_carry_it(make):
    operator = make()
    x = images_of(operator)

    @jax.jit
    def descend(operator, x):
        def step(carry, _):
            operator, x = carry
            return (operator, x - 0.01 * operator.gram(x)), operator.norm()

        (operator, x), norms = jax.lax.scan(step, (operator, x), length=2)
        return operator, x, norms

    again, found, norms = descend(operator, x)
    expected = x
    for _ in range(2):
        expected = expected - 0.01 * operator.gram(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(norms, [operator.norm()] * 2, rtol=1e-5)
    np.testing.assert_allclose(again(x), operator(x), rtol=1e-5)


@each
def test_shapes_and_axes_may_stand_for_its_arrays(make):
    operator = make()
    x = images_of(operator)
    shapes = jax.eval_shape(lambda operator: operator, operator)
    lowered = jax.jit(lambda a, x: a(x)).lower(shapes, x)
    np.testing.assert_allclose(
        lowered.compile()(operator, x), operator(x), rtol=1e-5, atol=1e-5
    )
    if not jax.tree.leaves(operator):
        return
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), operator)
    axes = jax.tree.map(lambda _: 0, operator)
    both = jax.vmap(lambda a, x: a(x), in_axes=(axes, None))(stacked, x)
    np.testing.assert_allclose(both[1], operator(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["CT, sampled", "sector"])
def test_arrays_are_constants_to_differentiation(name):
    operator = MAKE[name]()
    operator.norm()
    x = images_of(operator)
    gradient = jax.grad(lambda a: jnp.sum(a.gram(x)) * a.norm(), allow_int=True)
    for leaf in jax.tree.leaves(gradient(operator)):
        assert leaf.dtype == jax.dtypes.float0 or not leaf.any()


@each
@pytest.mark.parametrize("kind", ["Auto", "Explicit"])
def test_batches_are_split_over_devices(make, kind):
    operator = make()
    mesh = jax.make_mesh(
        (2,), ("data",), axis_types=(getattr(jax.sharding.AxisType, kind),)
    )
    split, whole = jax.sharding.PartitionSpec("data"), jax.sharding.PartitionSpec()
    specs = jax.tree.map(lambda _: whole, operator)
    if getattr(operator, "sampled", None) is None:
        images = images_of(operator, batch=(2,))
    else:  # each image has its own views
        images = images_of(operator)
        specs = dataclasses.replace(specs, sampled=split)
    placed = jax.tree.map(
        lambda leaf, spec: jax.device_put(leaf, jax.NamedSharding(mesh, spec)),
        (operator, images),
        (specs, split),
    )

    def apply(operator, x):
        return operator.gram(x), operator.norm()[None]

    each_device = jax.shard_map(
        apply, mesh=mesh, in_specs=(specs, split), out_specs=split
    )
    expected, norm = operator.gram(images), operator.norm()
    found, norms = jax.jit(each_device)(*placed)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(norms.max(), norm, rtol=1e-4)
    with jax.set_mesh(mesh):
        found, norms = jax.jit(apply)(*placed)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.asarray(norms), [norm], rtol=1e-4)

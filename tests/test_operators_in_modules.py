"""Operators inside the modules of Linen, NNX and Equinox, trained for a step."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from sisr_jax.tomography import ParallelBeam, ParallelBeamCT, PlannedBeam, plan, radon
from sisr_jax.ultrasound import (
    CartesianGrid,
    LateralDecimation,
    PolarGrid,
    ScanConversion,
)

SIZE = 8
SECTOR = (
    PolarGrid([1, 2, 3, 4, 5, 6, 7, 8], np.linspace(-0.5, 0.5, 8)),
    CartesianGrid((9, 7), (1, 1), (0, -3)),
)
MAKE = {
    "CT": lambda: ParallelBeamCT(ParallelBeam(SIZE, 6)),
    "lines": lambda: LateralDecimation(2),
    "sector": lambda: ScanConversion(*SECTOR),
}
each = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
IMAGES = jax.random.normal(jax.random.key(0), (2, SIZE, SIZE))


def corrected(x, y, operator, step):
    """One step of gradient descent on the data, of a length to be learned."""
    return x - step * operator.T(operator(x) - y)


def expected_gradient(operator, x, y, step):
    """Of half the squared result by the length of the step."""
    direction = operator.T(operator(x) - y)
    return -jnp.vdot(x - step * direction, direction)


def case_of(operator):
    return (
        IMAGES,
        operator(IMAGES[::-1]),
        expected_gradient(operator, IMAGES, operator(IMAGES[::-1]), 0.1),
    )


class LinenStep(linen.Module):
    @linen.compact
    def __call__(self, x, y, operator):
        step = self.param("step", linen.initializers.constant(0.1), ())
        return corrected(x, y, operator, step)


@each
@pytest.mark.parametrize("module", [LinenStep, linen.remat(LinenStep)])
def test_linen_call(make, module):
    operator = make()
    x, y, expected = case_of(operator)
    network = module()
    variables = network.init(jax.random.key(1), x, y, operator)
    assert [leaf.shape for leaf in jax.tree.leaves(variables)] == [()]

    @jax.jit
    def gradient(variables, operator):
        def loss(variables):
            return jnp.sum(network.apply(variables, x, y, operator) ** 2) / 2

        return jax.grad(loss)(variables)

    found = gradient(variables, operator)["params"]["step"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


class NNXStep(nnx.Module):
    def __init__(self, operator=None):
        self.step = nnx.Param(jnp.asarray(0.1))
        self.operator = operator

    def __call__(self, x, y, operator=None):
        return corrected(x, y, operator or self.operator, self.step[...])


@each
@pytest.mark.parametrize("held", [False, True], ids=["argument", "attribute"])
def test_nnx(make, held):
    operator = make()
    x, y, expected = case_of(operator)
    network = NNXStep(operator) if held else NNXStep()

    @nnx.jit
    def gradient(network, *operator):
        def loss(network):
            return jnp.sum(network(x, y, *operator) ** 2) / 2

        return nnx.grad(loss)(network)

    found = gradient(network, *(() if held else (operator,)))
    np.testing.assert_allclose(found["step"][...], expected, rtol=1e-4)
    parameters, rest = (
        nnx.state(network, nnx.Param),
        nnx.state(network, nnx.Not(nnx.Param)),
    )
    assert len(jax.tree.leaves(parameters)) == 1
    assert len(jax.tree.leaves(rest)) == (len(jax.tree.leaves(operator)) if held else 0)
    again = nnx.merge(*nnx.split(network))
    arguments = () if held else (operator,)
    np.testing.assert_allclose(
        again(x, y, *arguments), network(x, y, *arguments), rtol=1e-5
    )


def test_nnx_module_holds_a_plan():
    class Projection(nnx.Module):
        def __init__(self, beam):
            self.beam = beam

        def __call__(self, x):
            return radon(x, self.beam)

    beam = ParallelBeam(SIZE, 6)
    expected = radon(IMAGES, beam)
    for held in (beam, plan(beam)):
        found = nnx.jit(lambda module, x: module(x))(Projection(held), IMAGES)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


class EquinoxStep(eqx.Module):
    step: jax.Array

    def __call__(self, x, y, operator):
        return corrected(x, y, operator, self.step)


@each
def test_equinox_call(make):
    operator = make()
    x, y, expected = case_of(operator)

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(network, operator):
        return jnp.sum(network(x, y, operator) ** 2) / 2

    found = gradient(EquinoxStep(jnp.asarray(0.1)), operator)
    np.testing.assert_allclose(found.step, expected, rtol=1e-4)


class EquinoxHolder(eqx.Module):
    step: jax.Array
    operator: object

    def __call__(self, x, y):
        return corrected(x, y, self.operator, self.step)


@each
def test_equinox_attribute(make):
    """Every array of the module is differentiated, the operator's with the result 0."""
    operator = make()
    x, y, expected = case_of(operator)

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(network):
        return jnp.sum(network(x, y) ** 2) / 2

    found = gradient(EquinoxHolder(jnp.asarray(0.1), operator))
    np.testing.assert_allclose(found.step, expected, rtol=1e-4)
    assert not any(leaf.any() for leaf in jax.tree.leaves(found.operator))


def test_equinox_module_holds_a_plan():
    class Projection(eqx.Module):
        scale: jax.Array
        beam: PlannedBeam

        def __call__(self, x):
            return self.scale * radon(x, self.beam)

    planned = plan(ParallelBeam(SIZE, 6))
    network = Projection(jnp.asarray(2.0), planned)
    found = eqx.filter_grad(lambda network: jnp.sum(network(IMAGES)))(network)
    np.testing.assert_allclose(found.scale, jnp.sum(radon(IMAGES, planned)), rtol=1e-4)
    assert not any(leaf.any() for leaf in jax.tree.leaves(found.beam))


def test_a_value_made_by_replacing_a_field_is_recognised_too():
    operator = dataclasses.replace(MAKE["CT"](), sampled=jnp.ones(6))
    assert NNXStep(operator).operator is operator

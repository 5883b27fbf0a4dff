"""What every operator promises, tried on each operator of the package."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from operator_cases import CARTESIAN, MAKE, POLAR, each, images_of

from sisr_jax.operators import Composition, LinearOperator, check_adjoint
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from sisr_jax.ultrasound import LateralDecimation, ScanConversion


def dense(operator):
    """The matrix of an operator, from what it makes of each unit image."""
    shape = operator.draw(jax.random.key(0)).shape
    units = np.eye(np.prod(shape), dtype=np.float32).reshape(-1, *shape)
    columns = np.asarray(jax.vmap(operator)(units), np.float64)
    return columns.reshape(len(units), -1).T


@each
@pytest.mark.parametrize("seed", [0, 1])
def test_the_transpose_is_adjoint(make, seed):
    operator = make()
    assert check_adjoint(operator, jax.random.key(seed)) <= 1e-6
    assert check_adjoint(operator.T, jax.random.key(seed)) <= 1e-6


@dataclasses.dataclass(frozen=True, eq=False)
class Wrong(LinearOperator):
    """The fault of one sample in a transpose."""

    right: LinearOperator

    @property
    def domain_shape(self):
        return self.right.domain_shape

    @property
    def range_shape(self):
        return self.right.range_shape

    def draw(self, key):
        return self.right.draw(key)

    def __call__(self, x):
        return self.right(x)

    def transpose(self, y):
        return self.right.transpose(
            y.at[..., y.shape[-2] // 2, y.shape[-1] // 2].set(0)
        )


class Shorter(Wrong):
    """The fault of a lost row."""

    def transpose(self, y):
        return self.right.transpose(y)[1:]


@pytest.mark.parametrize("name", ["CT", "lines", "sector"])
def test_a_wrong_transpose_is_caught(name, key):
    assert check_adjoint(Wrong(MAKE[name]()), key) > 1e-4


def test_a_transpose_of_another_shape_is_caught(key):
    with pytest.raises(
        ValueError, match=r"Shorter\.T gives shape \(13, 9\): expected \(14, 9\)"
    ):
        check_adjoint(Shorter(MAKE["sector"]()), key)


@each
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_shapes_and_leading_axes(make, batch):
    operator = make()
    x = images_of(operator, batch=batch)
    y = operator(x)
    for shape, values in [(operator.domain_shape, x), (operator.range_shape, y)]:
        assert len(shape) == 2
        for size, found in zip(shape, values.shape[-2:], strict=True):
            assert size in (None, found)
    assert operator.T.domain_shape == operator.range_shape
    assert operator.T.range_shape == operator.domain_shape
    assert y.shape[: len(batch)] == batch
    assert operator.transpose(y).shape == x.shape
    one_by_one = x.reshape(-1, *x.shape[len(batch) :])
    apart = jnp.stack([operator(image) for image in one_by_one]).reshape(y.shape)
    np.testing.assert_allclose(y, apart, rtol=1e-5, atol=1e-5)


@each
def test_transpose_gram_and_matrix(make):
    operator = make()
    x, matrix = images_of(operator), dense(operator)
    y = operator(x)
    assert operator.T.T is operator
    np.testing.assert_allclose(y.ravel(), matrix @ x.ravel(), rtol=1e-4, atol=1e-4)
    back = operator.T(y)
    np.testing.assert_array_equal(back, operator.transpose(y))
    np.testing.assert_allclose(back.ravel(), matrix.T @ y.ravel(), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(operator.gram(x), back)
    np.testing.assert_array_equal(operator.T.gram(y), operator(operator.T(y)))


@each
def test_norm_is_the_largest_singular_value(make):
    operator = make()
    largest = np.linalg.svd(dense(operator), compute_uv=False)[0]
    norm = float(operator.norm())
    assert 0.99 * largest <= norm <= (1 + 1e-5) * largest
    assert float(operator.T.norm()) == norm


@pytest.mark.parametrize("name", ["CT", "sector", "sector of few lines"])
def test_norm_is_computed_once(name, monkeypatch):
    operator = MAKE[name]()
    inside = jax.jit(lambda operator: operator.norm())
    np.testing.assert_allclose(inside(operator), operator.norm(), rtol=1e-5)
    monkeypatch.setattr(type(operator), "gram", None)
    np.testing.assert_allclose(inside(operator), operator.norm(), rtol=1e-5)
    np.testing.assert_allclose(operator.T.norm(), operator.norm(), rtol=1e-5)


@each
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_outputs_have_the_type_of_the_input(make, kind):
    """With float64 switched on, nothing else becomes it."""
    jax.config.update("jax_enable_x64", True)
    try:
        operator = make()
        image = operator.draw(jax.random.key(0)).astype(kind)
        views = jax.eval_shape(operator, image)
        measured = views.update(dtype=kind)
        found = [
            views,
            jax.eval_shape(operator.T, measured),
            jax.eval_shape(operator.gram, image),
            jax.eval_shape(operator.precondition, measured),
        ]
    finally:
        jax.config.update("jax_enable_x64", False)
    assert {each.dtype for each in found} == {jnp.promote_types(kind, jnp.float32)}


def test_norm_of_nothing_is_zero():
    nothing = ParallelBeamCT(ParallelBeam(9, 7), sampled=jnp.zeros(7))
    assert float(nothing.norm()) == 0
    assert check_adjoint(nothing, jax.random.key(0)) == 0


def test_compositions():
    convert, keep = ScanConversion(POLAR.every(3), CARTESIAN), LateralDecimation(3)
    both = convert @ keep
    assert isinstance(both, Composition)
    assert (both.domain_shape, both.range_shape) == (POLAR.shape, CARTESIAN.shape)
    assert (both.T.domain_shape, both.T.range_shape) == (CARTESIAN.shape, POLAR.shape)
    open_ended = LateralDecimation(3) @ LateralDecimation(2)
    assert open_ended.domain_shape == open_ended.range_shape == (None, None)
    beams = jax.random.normal(jax.random.key(0), (2, *POLAR.shape))
    np.testing.assert_array_equal(both(beams), convert(keep(beams)))
    picture = both(beams)
    np.testing.assert_array_equal(both.T(picture), keep.T(convert.T(picture)))
    with pytest.raises(ValueError, match=r"ScanConversion gives \(17, 12\), Parallel"):
        ParallelBeamCT(ParallelBeam(8, 3)) @ convert

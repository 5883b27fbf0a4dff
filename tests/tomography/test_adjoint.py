"""A pair of linear maps under every transformation, against the products themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.tomography.adjoint import transposed_pair


def _multiply(values, matrices):
    return values @ matrices["matrix"]


def _multiply_back(values, matrices):
    return values @ matrices["matrix"].T


APPLY, APPLY_BACK = transposed_pair(_multiply, _multiply_back)
MATRICES = {"matrix": jax.random.normal(jax.random.key(0), (5, 3))}
VALUES = jax.random.normal(jax.random.key(1), (4, 2, 5))


def _energy(apply, values):
    return jnp.sum(apply(values, MATRICES) ** 3)


TRANSFORMED = {
    "call": lambda apply: apply(VALUES, MATRICES),
    "jit": lambda apply: jax.jit(apply)(VALUES, MATRICES),
    "vmap": lambda apply: jax.vmap(apply, (1, None), 1)(VALUES, MATRICES),
    "vmap of matrices": lambda apply: jax.vmap(apply)(
        VALUES, {"matrix": MATRICES["matrix"] * jnp.arange(4.0)[:, None, None]}
    ),
    "jvp": lambda apply: jax.jvp(
        lambda x: apply(x, MATRICES), (VALUES,), (VALUES + 1,)
    )[1],
    "grad": lambda apply: jax.grad(lambda x: _energy(apply, x))(VALUES),
    "vmap(grad)": lambda apply: jax.vmap(jax.grad(lambda x: _energy(apply, x)))(VALUES),
    "hessian": lambda apply: jax.hessian(lambda x: _energy(apply, x))(VALUES[0]),
    "jvp(grad)": lambda apply: jax.jvp(
        jax.grad(lambda x: _energy(apply, x)), (VALUES,), (VALUES,)
    )[1],
    "transpose": lambda apply: jax.linear_transpose(
        lambda x: apply(x, MATRICES), VALUES
    )(apply(VALUES, MATRICES))[0],
    "transpose of transpose": lambda apply: jax.linear_transpose(
        lambda y: jax.linear_transpose(lambda x: apply(x, MATRICES), VALUES)(y)[0],
        apply(VALUES, MATRICES),
    )(VALUES)[0],
    "grad of a constant": lambda apply: jax.grad(
        lambda x: jnp.sum(x) + jnp.sum(apply(VALUES, MATRICES))
    )(VALUES),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_transformations(name):
    got, wanted = map(TRANSFORMED[name], (APPLY, _multiply))
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["grad", "transpose", "hessian"])
def test_transpose_is_the_one_given(name):
    apply, _ = transposed_pair(_multiply, lambda y, m: 2 * _multiply_back(y, m))
    np.testing.assert_allclose(
        TRANSFORMED[name](apply), 2 * TRANSFORMED[name](_multiply), rtol=1e-5
    )


def test_matrices_have_no_derivative():
    with pytest.raises(NotImplementedError, match="multiply: has no derivative"):
        jax.grad(lambda matrices: jnp.sum(APPLY(VALUES, matrices)))(MATRICES)


def test_varies_over_the_devices_that_its_operand_does():
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    split = jax.sharding.PartitionSpec("data")

    @jax.shard_map(mesh=mesh, in_specs=split, out_specs=jax.sharding.PartitionSpec())
    def total(values):
        return jax.lax.psum(jnp.sum(APPLY(values, MATRICES)), "data")

    wanted = jnp.sum(_multiply(VALUES, MATRICES))
    np.testing.assert_allclose(total(VALUES), wanted, rtol=1e-5)

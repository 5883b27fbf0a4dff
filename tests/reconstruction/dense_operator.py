"""A linear operator as a matrix: compiled in no time, inverted by NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sisr_jax.operators import LinearOperator


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Dense(LinearOperator):
    matrix: Array
    before: tuple[int, ...] = dataclasses.field(metadata={"static": True})
    after: tuple[int, ...] = dataclasses.field(metadata={"static": True})

    @property
    def domain_shape(self):
        return self.before

    @property
    def range_shape(self):
        return self.after

    def __call__(self, x, /):
        return apply(self.matrix, x, self.before, self.after)

    def transpose(self, y, /):
        return apply(self.matrix.T, y, self.after, self.before)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Preconditioned(Dense):
    preconditioner: Array

    def precondition(self, residual, /):
        return apply(self.preconditioner, residual, self.after, self.after)


def apply(matrix, values, before, after):
    batch = values.shape[: values.ndim - len(before)]
    return (values.reshape(*batch, -1) @ matrix.T).reshape(*batch, *after)


def as_matrix(linear, shape):
    """A linear map of arrays `[*batch, *shape]` as `[outputs, inputs]`."""
    size = int(np.prod(shape))
    columns = jax.jit(linear)(jnp.eye(size).reshape(size, *shape))
    return columns.reshape(size, -1).T


def dense_copy(operator):
    """An operator and its `precondition` as matrices."""
    preconditioner = as_matrix(operator.precondition, operator.range_shape)
    return Preconditioned(
        as_matrix(operator, operator.domain_shape),
        operator.domain_shape,
        operator.range_shape,
        (preconditioner + preconditioner.T) / 2,
    )


def least_squares(operator):
    """`R A` in float64 with `P = R^T R`, and `R` itself."""
    root = np.linalg.cholesky(np.asarray(operator.preconditioner, np.float64)).T
    return root @ np.asarray(operator.matrix, np.float64), root

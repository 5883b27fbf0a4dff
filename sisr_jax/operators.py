"""Linear operators as values: the physics that a measurement, a reconstruction and a
network hold alike.

An operator is a frozen dataclass that is registered as a pytree of its arrays. Passed
to `jit` as an argument it brings them along as inputs, where a closure would copy them
into the program; two values of one geometry share the program. It works under `vmap`,
`grad`, `jax.checkpoint` and `lax.scan`, and as an argument of a module's call.

A new operator is a subclass that says how it maps, how its transpose does, and from
which shape to which; `check_adjoint` tests it.
"""

import abc
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from sisr_jax.types import Key

_POWER_ITERATIONS = 32


@dataclasses.dataclass(frozen=True, eq=False)
class LinearOperator(abc.ABC):
    """A linear map `A` of arrays `[*batch, *domain_shape]`.

    Attributes:
        known_norm: What `norm` has computed, else None.
    """

    known_norm: Float[Array, ""] | None = dataclasses.field(
        default=None, kw_only=True, repr=False
    )

    @property
    @abc.abstractmethod
    def domain_shape(self) -> tuple[int | None, ...]:
        """Shape of one input; None stands for an axis of any size."""

    @property
    @abc.abstractmethod
    def range_shape(self) -> tuple[int | None, ...]:
        """Shape of one output; None stands for an axis of any size."""

    @abc.abstractmethod
    def __call__(self, x: Float[Array, "..."], /) -> Float[Array, "..."]:
        """`A x`, of `[*batch, *domain_shape]`."""

    @abc.abstractmethod
    def transpose(self, y: Float[Array, "..."], /) -> Float[Array, "..."]:
        """`A^T y`, of `[*batch, *range_shape]`."""

    @property
    def T(self) -> "LinearOperator":  # noqa: N802  # the field's name for it
        """The transpose as an operator: `A.T(y)`; `A.T.T` is `A`."""
        return Transpose(self)

    def gram(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """`A^T A x`, the Hessian of `||A x - y||^2 / 2`."""
        return self.transpose(self(x))

    def norm(self) -> Float[Array, ""]:
        """Largest singular value, by power iteration, from below.

        Computed once for a value and kept in it. Ask for it before the operator
        becomes an argument of `jit`: inside, it would be part of every run.
        """
        if self.known_norm is not None:
            return self.known_norm
        norm = jnp.sqrt(_largest_eigenvalue(self))
        if not isinstance(norm, jax.core.Tracer):
            object.__setattr__(self, "known_norm", norm)
        return norm

    def precondition(self, residual: Float[Array, "..."]) -> Float[Array, "..."]:
        """`P r` with `P` symmetric, positive and `||A^T P A|| <= 1`.

        The gradient of `(A x - y)^T P (A x - y) / 2` is `A^T P (A x - y)`: a descent
        along it needs no other step length. Here `P` is `1 / ||A||^2`; an operator that
        knows a better one, so that fewer steps are needed, says so.
        """
        # 2 %: the power iteration may not quite have arrived.
        return residual / (1.02 * self.norm() ** 2)

    def draw(self, key: Key) -> Float[Array, "..."]:
        """A random input, normally distributed."""
        return jax.random.normal(key, [size or 16 for size in self.domain_shape])


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Transpose(LinearOperator):
    """The transpose of an operator."""

    operator: LinearOperator

    @property
    def domain_shape(self) -> tuple[int | None, ...]:
        """Shape of one input."""
        return self.operator.range_shape

    @property
    def range_shape(self) -> tuple[int | None, ...]:
        """Shape of one output."""
        return self.operator.domain_shape

    def __call__(self, x: Float[Array, "..."], /) -> Float[Array, "..."]:
        """`A^T y`."""
        return self.operator.transpose(x)

    def transpose(self, y: Float[Array, "..."], /) -> Float[Array, "..."]:
        """`A x`."""
        return self.operator(y)

    @property
    def T(self) -> LinearOperator:  # noqa: N802  # see the class above
        """The operator itself."""
        return self.operator

    def norm(self) -> Float[Array, ""]:
        """Largest singular value: that of the operator."""
        return self.operator.norm()


def check_adjoint(operator: LinearOperator, key: Key) -> float:
    """How far an operator and its transpose are from being adjoint.

    `|<A x, y> - <x, A^T y>| / (||A x|| ||y||)` for random `x` and `y`, the products
    summed in float64: at most about 1e-6 for an exact pair in float32.

    Args:
        operator: The operator.
        key: Randomness.
    """
    x = operator.draw(jax.random.fold_in(key, 0))
    there = operator(x)
    y = jax.random.normal(jax.random.fold_in(key, 1), there.shape, there.dtype)
    back = operator.T(y)
    x, y, there, back = (np.asarray(each, np.float64) for each in (x, y, there, back))
    difference = abs(np.vdot(there, y) - np.vdot(x, back))
    return float(difference / (np.linalg.norm(there) * np.linalg.norm(y)))


def _largest_eigenvalue(operator: LinearOperator) -> Float[Array, ""]:
    """Of `A^T A`."""

    def multiply(x: Array, _: None) -> tuple[Array, Array]:
        x = operator.gram(x)
        size = jnp.linalg.norm(jnp.ravel(x))
        return x / size, size

    # The first singular vector of an operator without negative weights has none
    # either, so a positive start is not orthogonal to it.
    start = jnp.abs(operator.draw(jax.random.key(0)))
    start = start / jnp.linalg.norm(jnp.ravel(start))
    return lax.scan(multiply, start, length=_POWER_ITERATIONS)[1][-1]

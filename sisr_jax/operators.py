"""Linear operators as values that a measurement, a reconstruction and a network share.

An operator is a frozen dataclass that is registered as a pytree of its arrays. Passed
to `jit` as an argument it brings them along as inputs, where a closure would copy them
into the program; two values of one geometry share the program. It works under `vmap`,
`grad`, `jax.checkpoint` and `lax.scan`, and as an argument of a module's call.

An output has the type of the input, at least float32, whatever that of the operator's
arrays. These describe a geometry and are constants to differentiation: a framework that
takes every array of a module for a parameter finds the derivative 0 (and its optimiser
must be told not to decay them).

A new operator is a subclass that says how it maps, how its transpose does, and from
which shape to which; `check_adjoint` tests it.
"""

import abc
import dataclasses
import itertools
from collections.abc import Callable
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float

from sisr_jax.geometries import recognised_by_nnx
from sisr_jax.types import Key

_POWER_ITERATIONS = 32


@dataclasses.dataclass(frozen=True, eq=False)
class LinearOperator(abc.ABC):
    """A linear map `A` of arrays `[*batch, *domain_shape]`.

    Subclasses are decorated like this, and with `jax.tree_util.register_dataclass`;
    fields that are no arrays have `metadata={"static": True}`. The others may hold
    tracers, shapes or shardings, hence `Any`.

    Attributes:
        known_norm: What `norm` has computed, else None.

    Examples:
        >>> import dataclasses
        >>> import jax
        >>> import numpy as np
        >>> from sisr_jax.operators import LinearOperator
        >>> @jax.tree_util.register_dataclass
        ... @dataclasses.dataclass(frozen=True, eq=False)
        ... class Gain(LinearOperator):
        ...     factor: float
        ...     domain_shape = range_shape = (3,)
        ...     def __call__(self, x, /):
        ...         return self.factor * x
        ...     transpose = __call__
        ...
        >>> A = Gain(2.0)
        >>> print(A(np.ones(3)), A.gram(np.ones(3)), f"{A.norm():.3f}")
        [2. 2. 2.] [4. 4. 4.] 2.000
    """

    known_norm: Any = dataclasses.field(default=None, kw_only=True, repr=False)

    def __new__(cls, *_: Any, **__: Any) -> Self:  # noqa: D102  # nothing to call
        recognised_by_nnx(cls)
        return super().__new__(cls)

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
    def measured_share(self) -> float | Float[Array, "*batch"]:
        """The share of an output's numbers that was measured; here all of them."""
        return 1.0

    @property
    def T(self) -> "LinearOperator":  # noqa: N802  # the field's name for it
        """The transpose as an operator: `A.T(y)`; `A.T.T` is `A`."""
        return Transpose(self)

    def gram(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """`A^T A x`, the gradient of `||A x||^2 / 2`."""
        return self.transpose(self(x))

    def __matmul__(self, inner: "LinearOperator") -> "LinearOperator":
        """`A @ B`, which maps by `B` first.

        Raises:
            ValueError: If what `B` gives is not what `A` takes.
        """
        if not isinstance(inner, LinearOperator):
            return NotImplemented
        given, taken = inner.range_shape, self.domain_shape
        axes = itertools.zip_longest(given, taken, fillvalue=0)
        if any(None not in sizes and sizes[0] != sizes[1] for sizes in axes):
            names = type(inner).__name__, type(self).__name__
            raise ValueError(
                f"{names[0]} gives {given}, {names[1]} takes {taken}: expected equal"
            )
        return Composition(self, inner)

    def norm(self) -> Float[Array, ""]:
        """Largest singular value, by power iteration, from below.

        Computed once for a value and kept in it. Ask for it before the operator is an
        argument of `jit`: inside, it is part of every run, and operators that know
        theirs have a program of their own.
        """
        if self.known_norm is not None:
            return lax.stop_gradient(self.known_norm)
        norm = jnp.sqrt(_largest_eigenvalue(self))
        if not isinstance(norm, Tracer):
            object.__setattr__(self, "known_norm", norm)
        return norm

    def precondition(self, residual: Float[Array, "..."]) -> Float[Array, "..."]:
        """`P r` with `P` symmetric, positive and `||A^T P A|| <= 1`.

        The gradient of `(A x - y)^T P (A x - y) / 2` is `A^T P (A x - y)`: a descent
        along it needs no other step length. Here `P` is `1 / ||A||^2`; an operator that
        knows a better one, so that fewer steps are needed, says so.
        """
        # 2 %: the power iteration may not quite have arrived.
        square = 1.02 * self.norm() ** 2
        return residual / square.astype(jnp.promote_types(residual.dtype, jnp.float32))

    def draw(self, key: Key) -> Float[Array, "..."]:
        """A random input, normally distributed; axes of any size are 16 long."""
        return jax.random.normal(key, [size or 16 for size in self.domain_shape])


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Transpose(LinearOperator):
    """The transpose of an operator.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.operators import Transpose
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> A = LateralDecimation(factor=2)
        >>> print(Transpose(A)(np.array([[1.0, 2.0]])))
        [[1. 0. 2. 0.]]
        >>> A.T.T is A
        True
    """

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
        return self.operator.norm() if self.known_norm is None else super().norm()

    def draw(self, key: Key) -> Float[Array, "..."]:
        """A random input, of the shape of an output of the operator."""
        output = jax.eval_shape(lambda key: self.operator(self.operator.draw(key)), key)
        return jax.random.normal(key, output.shape)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Composition(LinearOperator):
    """One operator after the other: `outer(inner(x))`.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.operators import Composition
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> A = LateralDecimation(factor=2) @ LateralDecimation(factor=2)
        >>> isinstance(A, Composition)
        True
        >>> print(A(np.arange(12.0)[None]))
        [[0. 4. 8.]]
    """

    outer: LinearOperator
    inner: LinearOperator

    @property
    def domain_shape(self) -> tuple[int | None, ...]:
        """Shape of one input, as either operator knows it."""
        inner = self.inner
        return _filled(inner.domain_shape, inner.transpose, self.outer.domain_shape)

    @property
    def range_shape(self) -> tuple[int | None, ...]:
        """Shape of one output, as either operator knows it."""
        return _filled(self.outer.range_shape, self.outer, self.inner.range_shape)

    def __call__(self, x: Float[Array, "..."], /) -> Float[Array, "..."]:
        """`A B x`."""
        return self.outer(self.inner(x))

    def transpose(self, y: Float[Array, "..."], /) -> Float[Array, "..."]:
        """`B^T A^T y`."""
        return self.inner.transpose(self.outer.transpose(y))

    def draw(self, key: Key) -> Float[Array, "..."]:
        """A random input, normally distributed."""
        free = None in self.inner.domain_shape
        return super().draw(key) if free else self.inner.draw(key)


def check_adjoint(operator: LinearOperator, key: Key) -> float:
    """How far an operator and its transpose are from being adjoint.

    `|<A x, y> - <x, A^T y>| / (||A x|| ||y||)` for random `x` and `y`, the products
    summed in float64: at most about 1e-6 for an exact pair in float32.

    Args:
        operator: The operator.
        key: Randomness.

    Raises:
        ValueError: If the transpose gives another shape than the operator takes.

    Examples:
        >>> import jax
        >>> from sisr_jax.operators import check_adjoint
        >>> from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
        >>> A = ParallelBeamCT(ParallelBeam(size=16, num_angles=24))
        >>> check_adjoint(A, jax.random.key(0)) < 1e-6
        True
    """
    x = operator.draw(jax.random.fold_in(key, 0))
    there = operator(x)
    y = jax.random.normal(jax.random.fold_in(key, 1), there.shape, there.dtype)
    back = operator.T(y)
    if back.shape != x.shape:
        name = type(operator).__name__
        raise ValueError(f"{name}.T gives shape {back.shape}: expected {x.shape}")
    x, y, there, back = (np.asarray(each, np.float64) for each in (x, y, there, back))
    difference = abs(np.vdot(there, y) - np.vdot(x, back))
    scale = np.linalg.norm(there) * np.linalg.norm(y)
    return float(difference / max(scale, np.finfo(np.float64).tiny))


def _filled(
    shape: tuple[int | None, ...],
    function: Callable[[Array], Array],
    given: tuple[int | None, ...],
) -> tuple[int | None, ...]:
    """A shape, or where it is open that of what a function makes of a given one."""
    if None not in shape or None in given:
        return shape
    return jax.eval_shape(function, jax.ShapeDtypeStruct(given, jnp.float32)).shape


def _largest_eigenvalue(operator: LinearOperator) -> Float[Array, ""]:
    """Of `A^T A`."""

    def multiply(x: Array, _: None) -> tuple[Array, Array]:
        x = operator.gram(x)
        size = jnp.linalg.norm(jnp.ravel(x))
        return x / jnp.where(size > 0, size, 1), size

    # The first singular vector of an operator without negative weights has none
    # either, so a positive start is not orthogonal to it.
    start = jnp.abs(operator.draw(jax.random.key(0)))
    # A loop must start with what it goes on with, in its split over devices, too.
    once, _ = multiply(start / jnp.linalg.norm(jnp.ravel(start)), None)
    return lax.scan(multiply, once, length=_POWER_ITERATIONS)[1][-1]

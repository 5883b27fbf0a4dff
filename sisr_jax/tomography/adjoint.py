"""Linear maps that jax differentiates with a transpose written by hand.

Reverse mode transposes a linear function operation by operation. For a product with
a large matrix that gives one which runs across the rows of the matrix and takes twice
as long; an operator that knows a better order says so here. `jax.custom_vjp` would
do for `grad` but forbids forward mode, so the pair is a pair of primitives: each is its
own derivative (linear), and the transpose of one is the other, under any nesting of
`jit`, `vmap`, `jvp`, `grad` and `linear_transpose`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float, PyTree

LinearMap = Callable[[Float[Array, "..."], PyTree], Float[Array, "..."]]


def transposed_pair(
    forward: LinearMap, transpose: LinearMap
) -> tuple[LinearMap, LinearMap]:
    """Ties two functions together as each other's transpose.

    That they are is for the caller to test. Derivatives with respect to the
    matrices do not exist.

    Args:
        forward: Linear in the first argument, whose leading axes are a batch of any
            rank; the second is a pytree of arrays (matrices).
        transpose: Its transpose, with the same matrices.

    Returns:
        The two, with their rules.
    """
    there, back = _primitive(forward), _primitive(transpose)
    _set_transpose(there, back)
    _set_transpose(back, there)
    return functools.partial(_bind, there), functools.partial(_bind, back)


def _bind(
    primitive: core.Primitive, values: Float[Array, "..."], matrices: PyTree
) -> Float[Array, "..."]:
    leaves, structure = jax.tree.flatten(matrices)
    return primitive.bind(values, *leaves, structure=structure)


def _primitive(function: LinearMap) -> core.Primitive:
    primitive = core.Primitive(function.__name__.strip("_"))

    def evaluate(values: Array, *leaves: Array, structure: Any) -> Array:
        return function(values, jax.tree.unflatten(structure, leaves))

    def differentiate(
        primals: tuple[Any, ...], tangents: tuple[Any, ...], *, structure: Any
    ) -> tuple[Any, Any]:
        tangent, *matrix_tangents = tangents
        if any(type(each) is not ad.Zero for each in matrix_tangents):
            raise NotImplementedError(
                f"{primitive.name}: has no derivative with respect to its matrices"
            )
        # Without a tangent of the values, either, jax does not ask for a derivative.
        return (
            primitive.bind(*primals, structure=structure),
            primitive.bind(tangent, *primals[1:], structure=structure),
        )

    def batch(
        operands: tuple[Any, ...], axes: tuple[Any, ...], *, structure: Any
    ) -> tuple[Any, int]:
        if all(axis is None for axis in axes[1:]):
            values = jnp.moveaxis(operands[0], axes[0], 0)
            return primitive.bind(values, *operands[1:], structure=structure), 0
        each = functools.partial(evaluate, structure=structure)
        return jax.vmap(each, in_axes=axes)(*operands), 0

    primitive.def_impl(evaluate)
    primitive.def_abstract_eval(
        lambda *shapes, structure: _result_type(
            functools.partial(evaluate, structure=structure), shapes
        )
    )
    mlir.register_lowering(primitive, mlir.lower_fun(evaluate, multiple_results=False))
    ad.primitive_jvps[primitive] = differentiate
    batching.primitive_batchers[primitive] = batch
    return primitive


def _result_type(function: Callable[..., Array], operands: tuple[Any, ...]) -> Any:
    # Through a trace and not `eval_shape`, so that what a type says besides shape and
    # dtype (the devices it varies over, inside `shard_map`) is right, too.
    return jax.make_jaxpr(function)(*operands).out_avals[0]


def _set_transpose(primitive: core.Primitive, transpose: core.Primitive) -> None:
    def rule(cotangent: Any, values: Any, *leaves: Any, structure: Any) -> list[Any]:
        if type(cotangent) is ad.Zero:
            result = ad.Zero(values.aval)
        else:
            result = transpose.bind(cotangent, *leaves, structure=structure)
        return [result, *(None for _ in leaves)]

    ad.primitive_transposes[primitive] = rule

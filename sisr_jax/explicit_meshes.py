"""Functions of arrays whose placement is a part of their type."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array


def placed_alike(
    function: Callable[..., Any],
    array: Array,
    *others: Any,
    axes: int | None = None,
) -> Any:
    """Applies a function whose result is placed as its argument is.

    On a mesh of explicit axes every result needs a placement, and JAX does not derive
    that of a reshape, a scatter or a draw. Elsewhere this is the function itself.

    Args:
        function: Its result, or each of several, has the axes of `array`, the first of
            them at least.
        array: Its first argument, which decides.
        others: Its further ones; arrays must not come by a closure.
        axes: How many axes the result has, counted as the end of a slice; None for all.
    """
    sharding = jax.typeof(array).sharding
    if AxisType.Explicit not in sharding.mesh.axis_types:
        return function(array, *others)
    spec = PartitionSpec(*sharding.spec[:axes])
    out = NamedSharding(sharding.mesh, spec)
    return jax.sharding.auto_axes(function, out_sharding=out)(array, *others)

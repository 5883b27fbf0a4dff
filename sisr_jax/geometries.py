"""What geometries share: numbers known on the host, arrays that modules hold."""

import sys
from typing import Any

import numpy as np
from jax.errors import ConcretizationTypeError, TracerArrayConversionError
from jaxtyping import Float


def host_numbers(name: str, values: Any) -> Float[np.ndarray, "..."]:
    """Numbers of a geometry, as float64 on the host.

    Args:
        name: What they are, for the message.
        values: The numbers.

    Raises:
        TypeError: If jax traces them, or they are complex or texts, which NumPy would
            make real.
    """
    try:
        numbers = np.asarray(values)
        if numbers.dtype.kind in "cSU":
            raise TypeError(f"{name} of type {numbers.dtype}: expected real numbers")
        return numbers.astype(np.float64)
    except (TracerArrayConversionError, ConcretizationTypeError):
        raise TypeError(
            f"{name}: traced by jax, expected numbers known before compilation: take "
            "NumPy's, or make the geometry outside of the compiled function"
        ) from None


def recognised_by_nnx(cls: type) -> None:
    """Lets values of a class, pytrees of arrays, be attributes of NNX modules.

    NNX takes an attribute for static unless it is an array or of a type that it was
    told of. It is told where flax is loaded, which nothing here needs.
    """
    nnx = sys.modules.get("flax.nnx")
    if nnx is not None and hasattr(nnx, "register_data_type"):
        nnx.register_data_type(cls)

"""What geometries share: numbers known on the host, arrays that modules hold."""

import operator
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
        TypeError: If jax traces them, or they are masked, or complex or texts, which
            NumPy would make real.
    """
    if isinstance(values, np.ma.MaskedArray):  # the mask would be lost
        raise TypeError(f"{name}: a masked array, expected plain numbers")
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


def whole_number(name: str, value: int, what: str, *, least: int | None = None) -> int:
    """A number of something, as Python's.

    Args:
        name: Of the argument, for the message.
        value: The number, of Python, NumPy or JAX.
        what: What it is a number of, for the message.
        least: The smallest that will do; None: the caller says.

    Raises:
        TypeError: If it is no whole number, or a bool, which Python takes for one.
        ValueError: If it is smaller.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        shape = np.shape(value)
        found = f"array of shape {shape}" if shape else value
        raise TypeError(f"{name} = {found}: expected a whole number of {what}")
    if least is not None and number < least:
        raise ValueError(f"{name} = {number}: expected at least {least}")
    return number


def kept_columns(factor: int, offset: int) -> tuple[int, int]:
    """Every how many-th column is kept, and the first of them, as Python's numbers.

    Raises:
        TypeError: If one is no whole number.
        ValueError: If they are out of range.
    """
    factor = whole_number("factor", factor, "columns for each kept one", least=1)
    offset = whole_number("offset", offset, "columns before the first kept one")
    if not 0 <= offset < factor:
        raise ValueError(f"offset = {offset}: expected 0 <= offset < factor = {factor}")
    return factor, offset


def recognised_by_nnx(cls: type) -> None:
    """Lets values of a class, pytrees of arrays, be attributes of NNX modules.

    NNX takes an attribute for static unless it is an array or of a type that it was
    told of. It is told where flax is loaded, which nothing here needs.
    """
    nnx = sys.modules.get("flax.nnx")
    if nnx is not None and hasattr(nnx, "register_data_type"):
        nnx.register_data_type(cls)

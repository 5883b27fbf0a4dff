"""Kinds of operations, and the multiply-adds of functions and of programs.

A multiply-add counts as two floating-point operations. Only those of convolutions and
matrix products are counted, zeros of the padding and of packed kernels included: what
the matrix units do. A function is counted as it is traced for platforms without rules
of their own; its program does more where the compiler repeats work or packs kernels.
"""

import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

from sisr_jax.aot.instructions import Instruction, dimensions

COLLECTIVES = (
    *("all-reduce", "all-gather", "reduce-scatter", "all-to-all"),
    *("collective-permute", "collective-broadcast", "ragged-all-to-all"),
)
KINDS: tuple[str, ...] = (
    "convolution",
    "copy",
    "elementwise",
    "reduction",
    "collective",
)
_MOVES = frozenset(
    """copy transpose bitcast reshape slice concatenate pad broadcast dynamic-slice
    dynamic-update-slice parameter constant tuple get-tuple-element iota reverse
    copy-start copy-done slice-start slice-done""".split()
)
_PRODUCTS = frozenset({"convolution", "dot"})
_SUMS = frozenset({"reduce", "reduce-window"})


def kind_of(opcodes: set[str]) -> str:
    """One of `KINDS`, for the opcodes of an operation and of all inside it."""
    if opcodes & _PRODUCTS:
        return "convolution"
    if any(code.removesuffix("-start") in COLLECTIVES for code in opcodes):
        return "collective"
    if opcodes & _SUMS:
        return "reduction"
    return "copy" if opcodes - {"fusion", "call"} <= _MOVES else "elementwise"


def product_flops(instruction: Instruction, shapes: dict[str, str]) -> float:
    """Operations of one convolution or matrix product, else 0.

    Args:
        instruction: Any.
        shapes: Types of the results of its computation, by name.
    """
    if instruction.opcode not in _PRODUCTS:
        return 0.0
    results = math.prod(dimensions(instruction.shape))
    left, right = (dimensions(shapes[name]) for name in instruction.operands[:2])
    if instruction.opcode == "dot":
        axes = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", instruction.text)
        summed = [
            left[int(axis)] for axis in re.findall(r"\d+", axes[1] if axes else "")
        ]
        return 2.0 * results * math.prod(summed)
    labels = re.search(r"dim_labels=(\w+)_(\w+)->", instruction.text)
    dilated = re.search(r"lhs_dilate=([\dx]+)", instruction.text)
    if not labels:
        return 2.0 * results * math.prod(right)
    steps = map(int, dilated[1].split("x")) if dilated else itertools.repeat(1)
    axes = sorted(set(labels[2]) - {"i", "o"})
    # A product of batches becomes a convolution whose window is larger than its image,
    # so that all but one of the taps meet the padding: they are not multiplied.
    taps = [
        min(right[labels[2].index(axis)] / step, left[labels[1].index(axis)])
        for axis, step in zip(axes, steps, strict=False)
    ]
    return 2.0 * results * right[labels[2].index("i")] * math.prod(taps)


def function_flops(jaxpr: Any) -> float:
    """Operations of a traced function, loops as often as they run where that is known.

    Args:
        jaxpr: `jax.stages.Traced.jaxpr`.
    """
    return sum(_equation_flops(each) for each in getattr(jaxpr, "jaxpr", jaxpr).eqns)


def _equation_flops(equation: Any) -> float:
    name, params = equation.primitive.name, equation.params
    if name in ("dot_general", "conv_general_dilated"):
        left, right = (each.aval.shape for each in equation.invars[:2])
        results = math.prod(equation.outvars[0].aval.shape)
        if name == "dot_general":
            axes = params["dimension_numbers"][0][0]
            return 2.0 * results * math.prod(left[axis] for axis in axes)
        outputs = right[params["dimension_numbers"].rhs_spec[0]]
        zeros = math.prod(params["lhs_dilation"])
        return 2.0 * results * math.prod(right) / outputs / zeros
    inside = [function_flops(each) for each in _inner(params)]
    if name == "cond":
        platforms = params.get("branches_platforms") or ()
        return inside[platforms.index(None)] if None in platforms else max(inside)
    return params.get("length", 1) * sum(inside) if name == "scan" else sum(inside)


def _inner(params: dict[str, Any]) -> Iterator[Any]:
    for value in params.values():
        for each in value if isinstance(value, tuple | list) else (value,):
            if hasattr(getattr(each, "jaxpr", each), "eqns"):
                yield each

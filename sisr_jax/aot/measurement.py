"""What the compiler says of one program: memory, operations, cycles."""

import dataclasses
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from sisr_jax.aot.chips import Topology
from sisr_jax.aot.operations import function_flops
from sisr_jax.aot.program import Costly, Program, Traffic

_NUM_DEAREST = 10
_DEGRADATION = "sisr_jax/degradation/"


class Memory(NamedTuple):
    """Bytes of HBM on one device.

    Attributes:
        arguments: State, batch and matrices.
        outputs: Results, those that take the place of an argument excepted.
        temporaries: What lives in between.
        code: The program.
        capacity: What the device has.
    """

    arguments: int
    outputs: int
    temporaries: int
    code: int
    capacity: int

    @property
    def needed(self) -> int:
        """All of it."""
        return self.arguments + self.outputs + self.temporaries + self.code


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """What the compiler says of one program, on each device.

    Attributes:
        name: Phase, or `evaluation`.
        images: Images, or crops of them, that one device learns from or scores.
        compile_seconds: How long the compiler took.
        problem: Why the program does not fit; empty if it does.
        memory: None if it does not fit and the compiler does not say.
        flops: Operations of one run that the program executes, see `operations`.
        function_flops: Those of the function that was asked for.
        cycles: Estimated for one run, see `program`.
        kinds: The same by kind of operation.
        degradation_cycles: Those of measuring and of the first estimate.
        peak_fraction: `flops` in `cycles`, of the peak of bfloat16.
        useful_fraction: `function_flops` in `cycles`, likewise.
        copied_bytes: Copied from memory or back while other work goes on, which is not
            in `cycles`.
        copy_cycles: What these copies take at the rate of the memory.
        unknown_loops: Loops that count once for want of knowledge.
        collectives: By kind.
        dearest: The operations with the most cycles.
    """

    name: str
    images: int
    compile_seconds: float
    problem: str
    memory: Memory | None = None
    flops: float = 0.0
    function_flops: float = 0.0
    cycles: int = 0
    kinds: dict[str, int] = dataclasses.field(default_factory=dict)
    degradation_cycles: int = 0
    peak_fraction: float = 0.0
    useful_fraction: float = 0.0
    copied_bytes: int = 0
    copy_cycles: int = 0
    unknown_loops: int = 0
    collectives: dict[str, Traffic] = dataclasses.field(default_factory=dict)
    dearest: list[Costly] = dataclasses.field(default_factory=list)

    @property
    def fits(self) -> bool:
        """Whether it can run."""
        return not self.problem


def measure(
    name: str,
    trace: Callable[[], jax.stages.Traced],
    topology: Topology,
    num_images: int,
    *,
    num_devices: int = 1,
) -> Measured:
    """Compiles a program and reads what the compiler says of it.

    Args:
        name: Of the program.
        trace: Traces its function.
        topology: Chips it is compiled for.
        num_images: Images of one device.
        num_devices: Devices that share the work of the function.
    """
    start = time.perf_counter()
    try:
        traced = trace()
        compiled = traced.lower().compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        seconds = time.perf_counter() - start
        return Measured(
            name=name,
            images=num_images,
            compile_seconds=seconds,
            problem=_shortage(str(error)),
        )
    seconds = time.perf_counter() - start
    program, memory = Program(compiled.as_text() or ""), _memory(compiled, topology)
    asked = function_flops(traced.jaxpr) / num_devices
    peak = program.cycles * topology.peak_flops_per_cycle
    needs = f"needs {memory.needed} bytes of {memory.capacity}"
    return Measured(
        name=name,
        images=num_images,
        compile_seconds=seconds,
        problem="" if memory.needed <= memory.capacity else needs,
        memory=memory,
        flops=program.flops,
        function_flops=asked,
        cycles=program.cycles,
        kinds=program.kinds(),
        degradation_cycles=program.cycles_of(_DEGRADATION),
        peak_fraction=program.flops / peak if peak else 0.0,
        useful_fraction=asked / peak if peak else 0.0,
        copied_bytes=program.copied_bytes,
        copy_cycles=round(program.copied_bytes / topology.hbm_bytes_per_cycle),
        unknown_loops=program.unknown_loops,
        collectives=program.collectives(),
        dearest=program.dearest(_NUM_DEAREST),
    )


def _memory(compiled: jax.stages.Compiled, topology: Topology) -> Memory:
    stats: Any = compiled.memory_analysis()
    return Memory(
        arguments=stats.argument_size_in_bytes,
        outputs=stats.output_size_in_bytes - stats.alias_size_in_bytes,
        temporaries=stats.temp_size_in_bytes,
        code=stats.generated_code_size_in_bytes,
        capacity=topology.hbm_per_device,
    )


def _shortage(message: str) -> str:
    """The part of the compiler's message that says how much is missing."""
    match = re.search(r"Used [\d.]+\w of [\d.]+\w \w+", message)
    return match[0] if match else message.splitlines()[0]

"""What the compiler expects of a program: cycles, loops, collectives.

The compiler estimates the cycles of most of the operations that it schedules and
writes them into their text (`estimated_cycles`). Their sum over a program, loops as
often as they run, is its estimate for one run on one device; collectives, and waiting
for memory that is copied meanwhile, are not in it.
"""

import collections
from typing import NamedTuple

from sisr_jax.aot.instructions import Instruction, read_computations, read_sources
from sisr_jax.aot.operations import COLLECTIVES, KINDS, kind_of, product_flops

_COPIES = ("copy-start", "slice-start")


class Costly(NamedTuple):
    """An operation with its share of the estimate.

    Attributes:
        cycles: Over the whole program.
        name: In the text of the program.
        op_name: Where it comes from in the traced functions.
        source: File and line, the innermost one of the package if there is any.
    """

    cycles: int
    name: str
    op_name: str
    source: str


class Traffic(NamedTuple):
    """Collectives of one kind: how often they run and the bytes of their results."""

    count: int
    num_bytes: int


class Program:
    """A compiled program, read from its text.

    Attributes:
        unknown_loops: Loops of which nobody knows how often they run; they count
            once.
    """

    def __init__(self, text: str) -> None:
        """Reads `jax.stages.Compiled.as_text()`."""
        self._computations, entry = read_computations(text)
        self._sources = read_sources(text)
        self._runs: dict[str, int] = collections.Counter()
        self._inside_fusion: set[str] = set()
        self.unknown_loops = 0
        if entry:
            self._visit(entry, 1, is_fused=False)

    def _visit(self, name: str, runs: int, *, is_fused: bool) -> None:
        """Counts how often each computation runs."""
        self._runs[name] += runs
        if is_fused:
            self._inside_fusion.add(name)
        for instruction in self._computations[name]:
            times = runs
            if instruction.opcode == "while":
                trips = self._trips(instruction)
                self.unknown_loops += trips is None
                times *= trips or 1
            for called in instruction.called:
                # The estimate of a fusion contains that of its parts.
                whole = is_fused or instruction.cycles is not None
                self._visit(called, times, is_fused=whole)

    def _trips(self, loop: Instruction) -> int | None:
        """How often a loop runs: stated, or the only constant of its condition."""
        if loop.trips is not None:
            return loop.trips
        inside = self._computations.get(loop.condition, [])
        limits = [each.constant for each in inside if each.opcode == "constant"]
        counts_up = any("direction=LT" in each.text for each in inside)
        return limits[0] if len(limits) == 1 and counts_up else None

    def count(self, opcode: str) -> int:
        """How often an operation stands in the text, fused ones included."""
        return sum(
            instruction.opcode == opcode
            for name in self._runs
            for instruction in self._computations[name]
        )

    @property
    def cycles(self) -> int:
        """The compiler's estimate for one run on one device."""
        return sum(cycles for cycles, _ in self._estimates())

    def _estimates(self) -> list[tuple[int, Instruction]]:
        return [
            (runs * instruction.cycles, instruction)
            for name, runs in self._runs.items()
            if name not in self._inside_fusion
            for instruction in self._computations[name]
            if instruction.cycles is not None
        ]

    @property
    def flops(self) -> float:
        """Operations of its convolutions and products, loops as often as they run."""
        total = 0.0
        for name, runs in self._runs.items():
            shapes = {each.name: each.shape for each in self._computations[name]}
            total += runs * sum(
                product_flops(each, shapes) for each in self._computations[name]
            )
        return total

    @property
    def copied_bytes(self) -> int:
        """What is copied from memory to the core, or back, while other work goes on."""
        return sum(
            runs * instruction.result_bytes
            for name, runs in self._runs.items()
            for instruction in self._computations[name]
            if instruction.opcode in _COPIES
        )

    def kinds(self) -> dict[str, int]:
        """The estimate by `operations.KINDS`, all of which are there."""
        found: dict[str, int] = dict.fromkeys(KINDS, 0)
        for cycles, instruction in self._estimates():
            found[kind_of(self._opcodes(instruction))] += cycles
        return found

    def cycles_of(self, folder: str) -> int:
        """The estimate of what comes from files of a folder of the package.

        What the compiler adds without saying for what is not in it.

        Args:
            folder: For instance `sisr_jax/degradation/`.
        """
        return sum(
            cycles
            for cycles, instruction in self._estimates()
            if any(
                place.startswith(folder)
                for place in self._sources.places(instruction.text)
            )
        )

    def _opcodes(self, instruction: Instruction) -> set[str]:
        """Of an operation and of all inside it but the sum of a reduction."""
        found = {instruction.opcode}
        if instruction.opcode not in ("reduce", "reduce-window", "all-reduce"):
            for name in instruction.called:
                for each in self._computations[name]:
                    found |= self._opcodes(each)
        return found

    def dearest(self, number: int) -> list[Costly]:
        """The operations with the most cycles, the most first."""
        ranked = sorted(self._estimates(), key=lambda each: -each[0])[:number]
        return [
            Costly(cycles, each.name, each.op_name, self._sources.find(each.text))
            for cycles, each in ranked
        ]

    def collectives(self) -> dict[str, Traffic]:
        """Collectives by kind, as often as they run."""
        found: dict[str, Traffic] = {}
        for name, runs in self._runs.items():
            for instruction in self._computations[name]:
                kind = instruction.opcode.removesuffix("-start")
                if kind not in COLLECTIVES:
                    continue
                before = found.get(kind, Traffic(0, 0))
                size = instruction.result_bytes
                found[kind] = Traffic(
                    before.count + runs, before.num_bytes + runs * size
                )
        return dict(sorted(found.items()))

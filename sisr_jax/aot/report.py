"""Measurements of a compilation as text for people and as plain values."""

import dataclasses
from typing import Any

from sisr_jax.aot.chips import Topology
from sisr_jax.aot.measurement import Measured

_MIB = 2**20


def as_values(topology: Topology, measured: list[Measured]) -> dict[str, Any]:
    """Numbers, strings, lists and dictionaries for JSON; sizes in bytes."""
    chip = topology.chip
    return {
        "topology": str(topology),
        "chips": topology.num_chips,
        "fits": all(each.fits for each in measured),
        "peak_flops_per_chip": chip.peak_flops,
        "clock_hz": chip.clock_hz,
        "hbm_per_device": topology.hbm_per_device,
        "programs": [_program_values(each) for each in measured],
    }


def _program_values(measured: Measured) -> dict[str, Any]:
    memory = measured.memory
    return {
        **dataclasses.asdict(measured),
        "fits": measured.fits,
        "memory": memory._asdict() | {"needed": memory.needed} if memory else None,
        "cycles_per_image": measured.cycles / measured.images,
        "collectives": {k: v._asdict() for k, v in measured.collectives.items()},
        "dearest": [each._asdict() for each in measured.dearest],
    }


def as_text(topology: Topology, measured: list[Measured]) -> str:
    """A paragraph for each program."""
    chip = topology.chip
    head = (
        f"{topology}: {topology.num_chips} chips, each "
        f"{chip.peak_flops / 1e12:g} TFLOP/s in bfloat16, {chip.clock_hz / 1e9:g} GHz, "
        f"{chip.hbm_bytes / 2**30:g} GiB; all numbers for one device"
    )
    if chip.num_devices > 1:
        head += f", {chip.num_devices} of which share a chip"
    return "\n\n".join([head, *(_paragraph(topology, each) for each in measured)])


def _paragraph(topology: Topology, measured: Measured) -> str:
    verdict = "fits" if measured.fits else f"DOES NOT FIT: {measured.problem}"
    lines = [f"{measured.name}: {verdict}"]
    if measured.memory is not None:
        lines += _numbers(topology, measured)
    lines.append(f"  compiled in    {measured.compile_seconds:.0f} s")
    if measured.dearest:
        lines.append("  dearest operations (cycles, source, origin)")
    lines += [
        f"  {each.cycles:12,d}  {each.source or '-'}  {each.op_name or each.name}"
        for each in measured.dearest
    ]
    return "\n".join(lines)


def _numbers(topology: Topology, measured: Measured) -> list[str]:
    memory = measured.memory
    assert memory is not None, "asked for programs that were compiled"
    seconds = measured.cycles / topology.chip.clock_hz
    parts = ", ".join(
        f"{name} {getattr(memory, name) / _MIB:,.0f}"
        for name in ("arguments", "outputs", "temporaries", "code")
    )
    traffic = ", ".join(
        f"{kind} x {total.count}, {total.num_bytes / _MIB:.1f} MiB"
        for kind, total in measured.collectives.items()
    )
    shares = ", ".join(
        f"{kind} {cycles / max(measured.cycles, 1):.1%}"
        for kind, cycles in measured.kinds.items()
    )
    lines = [
        f"  memory         {memory.needed / _MIB:,.0f} of "
        f"{memory.capacity / _MIB:,.0f} MiB ({parts})",
        f"  operations     {measured.flops / 1e9:,.1f} GFLOP, "
        f"{measured.function_flops / 1e9:,.1f} of them the function's own",
        f"  cycles         {measured.cycles:,d}, that is {seconds * 1e3:.2f} ms, "
        f"{measured.cycles / measured.images:,.0f} an image",
        f"  by kind        {shares}",
        f"  degradation    {measured.degradation_cycles / max(measured.cycles, 1):.1%} "
        "of the cycles",
        f"  of the peak    {measured.peak_fraction:.1%} executed, "
        f"{measured.useful_fraction:.1%} useful",
        f"  copied         {measured.copied_bytes / _MIB:,.0f} MiB meanwhile, "
        f"{measured.copy_cycles:,d} cycles of the memory",
        f"  collectives    {traffic or 'none'}",
    ]
    if measured.unknown_loops:
        lines.append(f"  at least: {measured.unknown_loops} loops count only once")
    return lines

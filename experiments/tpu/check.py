"""Compiles the shipped configurations for TPUs and compares with `budgets.json`.

    python -m experiments.tpu.check                      # everything with a budget
    python -m experiments.tpu.check --topology v5e:1x1 --config us_srgan:quicktest
    python -m experiments.tpu.check --write --config ct_srgan --topology v5e:2x4

`--write` accepts what is measured. Otherwise a run fails (exit code 1) where a number
is more than 5 % above its budget, where a program does not fit any more, or where it
has a kind of collective it had not.
"""

import argparse
import importlib
import json
import pathlib
import sys
from typing import Any

import jax

from sisr_jax.aot.chips import parse_topology
from sisr_jax.aot.compilation import measure_config, program_names
from sisr_jax.aot.measurement import Measured
from sisr_jax.config import Config, parse
from sisr_jax.errors import InputError

BUDGETS = pathlib.Path(__file__).parent / "budgets.json"
TOLERANCE = 1.05

Budget = dict[str, Any]


def budget_of(measured: Measured) -> Budget:
    """What is kept of a measurement."""
    memory = measured.memory
    return {
        "cycles_per_image": round(measured.cycles / measured.images),
        "hbm_bytes": memory.needed if memory else 0,
        "collective_bytes": {
            kind: total.num_bytes for kind, total in measured.collectives.items()
        },
        "gflop": round(measured.flops / 1e9, 1),
        "peak_fraction": round(measured.peak_fraction, 4),
        "compile_seconds": round(measured.compile_seconds),
    }


def excesses(where: str, new: Budget, allowed: Budget) -> list[str]:
    """One line for every number that is over its budget."""
    pairs = [(k, new[k], allowed[k]) for k in ("cycles_per_image", "hbm_bytes")]
    limits = allowed["collective_bytes"]
    pairs += [
        (kind, num_bytes, limits.get(kind, 0))
        for kind, num_bytes in new["collective_bytes"].items()
    ]
    return [
        f"{where}: {key} {value:,} is over {limit:,} by more than 5 %"
        for key, value, limit in pairs
        if value > TOLERANCE * limit
    ]


def compare(where: str, measured: list[Measured], allowed: dict[str, Any]) -> list[str]:
    """Everything that is wrong with the programs of one run."""
    wrong = [f"{where} {m.name}: {m.problem}" for m in measured if not m.fits]
    for each in (each for each in measured if each.fits):
        name = f"{where} {each.name}"
        if each.name in allowed:
            wrong += excesses(name, budget_of(each), allowed[each.name])
        else:
            wrong.append(f"{name}: has no budget")
    return wrong


def load_config(name: str) -> Config:
    """A shipped configuration by `FILE` or `FILE:VARIANT`."""
    file, _, variant = name.partition(":")
    module = importlib.import_module(f"configs.{file}")
    return parse(module.get_config(variant).to_dict())


def run(name: str, topology: str, phase: str, *, write: bool) -> list[str]:
    """Measures one program of a configuration; says what is wrong with it."""
    where = f"{name} {topology}"
    measured = measure_config(load_config(name), parse_topology(topology), phase)
    budgets = read_budgets()
    for each in measured:
        print(f"{where} {each.name}: {budget_of(each)}", flush=True)
        if write:
            budgets.setdefault(where, {})[each.name] = budget_of(each)
            BUDGETS.write_text(json.dumps(budgets, indent=1, sort_keys=True) + "\n")
    return [] if write else compare(where, measured, budgets.get(where, {}))


def read_budgets() -> dict[str, dict[str, Budget]]:
    """Budgets by configuration and topology, then by program."""
    return json.loads(BUDGETS.read_text()) if BUDGETS.exists() else {}


def cases_of(
    configs: list[str] | None, topologies: list[str] | None, phase: str | None
) -> list[tuple[str, str, str]]:
    """What is asked for, or all with a budget: configuration, topology, program."""
    if configs and topologies:
        return [
            (config, topology, name)
            for topology in topologies
            for config in configs
            for name in program_names(load_config(config))
            if phase in (None, name)
        ]
    return [
        (where.split()[0], where.split()[1], name)
        for where, programs in read_budgets().items()
        for name in programs
        if phase in (None, name)
        and (not configs or where.split()[0] in configs)
        and (not topologies or where.split()[1] in topologies)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.tpu.check")
    parser.add_argument("--config", nargs="+")
    parser.add_argument("--topology", nargs="+")
    parser.add_argument("--phase", help="only this one of the programs")
    parser.add_argument("--write", action="store_true", help="set the budgets")
    options = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")
    wrong = []
    try:
        # One program at a time: each takes minutes, and what is measured is kept.
        for case in cases_of(options.config, options.topology, options.phase):
            wrong += run(*case, write=options.write)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(wrong) or "within the budgets")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

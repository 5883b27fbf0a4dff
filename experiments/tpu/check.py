"""Compiles the shipped configurations for TPUs and compares with `budgets.json`.

    python -m experiments.tpu.check                      # every small one with a budget
    python -m experiments.tpu.check --topology v5e:1x1 --config us_srgan:quicktest
    python -m experiments.tpu.check --write --config ct_srgan --topology v5e:2x4
    python -m experiments.tpu.check --full               # every large one with a budget
    python -m experiments.tpu.check --table              # the budgets, as in the README

`--write` accepts what is measured. Otherwise a run fails (exit code 1) where a number
is more than 5 % above its budget, where a program does not fit any more, or where it
has a kind of collective it had not. Budgets of other configurations than `:quicktest`
are compared only with `--full` or where they are named: each takes many minutes.
"""

import argparse
import importlib
import json
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import metadata
from typing import Any

import jax

from sisr_jax.aot.chips import parse_topology
from sisr_jax.aot.compilation import check_compiler, measure_config, program_names
from sisr_jax.aot.measurement import Measured
from sisr_jax.config import Config, parse
from sisr_jax.errors import InputError

BUDGETS = pathlib.Path(__file__).parent / "budgets.json"
TOLERANCE = 1.05
SMALL = ":quicktest"

Budget = dict[str, Any]
Case = tuple[str, str, str]  # configuration, topology, program


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


def compare(where: str, measured: Measured, allowed: dict[str, Budget]) -> list[str]:
    """Everything that is wrong with a program."""
    name = f"{where} {measured.name}"
    if not measured.fits:
        return [f"{name}: {measured.problem}"]
    if measured.name not in allowed:
        return [f"{name}: has no budget"]
    return excesses(name, budget_of(measured), allowed[measured.name])


def load_values(name: str) -> dict[str, Any]:
    """The values of a shipped configuration by `FILE` or `FILE:VARIANT`."""
    file, _, variant = name.partition(":")
    module = importlib.import_module(f"configs.{file}")
    return module.get_config(variant).to_dict()


def load_config(name: str) -> Config:
    """The configuration itself."""
    return parse(load_values(name))


def read_budgets() -> dict[str, Any]:
    """Versions of the compiler; budgets by configuration and topology, by program."""
    return json.loads(BUDGETS.read_text())


def versions() -> dict[str, str]:
    """What the numbers depend on besides this repository."""
    check_compiler()
    return {name: metadata.version(name) for name in ("jax", "libtpu")}


def check_versions(recorded: dict[str, str]) -> None:
    """Refuses to compare, or to mix, numbers of two versions of the compiler."""
    if versions() != recorded:
        raise InputError(
            f"{BUDGETS.name} is of {recorded}, here is {versions()}: use the versions "
            "of requirements-aot.lock with Python 3.11, as `make check-tpu` does"
        )


def full_size() -> list[str]:
    """The configurations that are not small and have a budget."""
    names = {where.split()[0] for where in read_budgets()["budgets"]}
    return sorted(name for name in names if not name.endswith(SMALL))


def cases_of(
    configs: list[str] | None, topologies: list[str] | None, phase: str | None
) -> list[Case]:
    """What is asked for, or all that is small and has a budget."""
    if configs and topologies:
        return [
            (config, topology, name)
            for topology in topologies
            for config in configs
            for name in program_names(load_config(config))
            if phase in (None, name)
        ]
    return [
        (config, topology, name)
        for where, programs in read_budgets()["budgets"].items()
        for config, topology in [where.split()]
        for name in programs
        if phase in (None, name)
        and (config.endswith(SMALL) if configs is None else config in configs)
        and (not topologies or topology in topologies)
    ]


def run(cases: list[Case], jobs: int, *, write: bool) -> list[str]:
    """Measures programs, `jobs` at a time; says what is wrong with them."""
    wrong, budgets = [], read_budgets()["budgets"]
    check_versions(read_budgets()["versions"])
    with ThreadPoolExecutor(jobs) as pool:
        pending = {pool.submit(_measure, case): case for case in cases}
        for done in as_completed(pending):
            where, measured = " ".join(pending[done][:2]), done.result()
            budget = budget_of(measured)
            print(f"{where} {measured.name}: {budget}", flush=True)
            if write:
                # What is measured is kept: what follows may take hours.
                keep(where, measured.name, budget)
            else:
                wrong += compare(where, measured, budgets.get(where, {}))
    return wrong


def keep(where: str, name: str, budget: Budget) -> None:
    """Sets a budget; the others are read anew, since another run may have set some."""
    found = read_budgets()
    found["budgets"].setdefault(where, {})[name] = budget
    BUDGETS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def _measure(case: Case) -> Measured:
    config, topology, name = case
    (measured,) = measure_config(load_config(config), parse_topology(topology), name)
    return measured


def table() -> str:
    """The budgets as rows of Markdown."""
    rows = [
        "| configuration | topology | program | cycles an image | HBM, MiB "
        "| collectives, kB | GFLOP | of the peak | compiled in, s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for where, programs in read_budgets()["budgets"].items():
        for name, budget in programs.items():
            exchanged = sum(budget["collective_bytes"].values())
            mebibytes = budget["hbm_bytes"] / 2**20
            rows.append(
                f"| `{where.split()[0]}` | {where.split()[1]} | {name} "
                f"| {budget['cycles_per_image']:,} | {mebibytes:,.0f} "
                f"| {exchanged / 1000:,.0f} | {budget['gflop']} "
                f"| {budget['peak_fraction']:.2%} | {budget['compile_seconds']} |"
            )
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.tpu.check")
    parser.add_argument("--config", nargs="+")
    parser.add_argument("--full", action="store_true", help="all that are large")
    parser.add_argument("--topology", nargs="+")
    parser.add_argument("--phase", help="only this one of the programs")
    parser.add_argument("--jobs", type=int, default=2, help="programs at a time")
    parser.add_argument("--write", action="store_true", help="set the budgets")
    parser.add_argument("--table", action="store_true", help="print the budgets")
    options = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")
    if options.table:
        print(table())
        return 0
    try:
        configs = full_size() if options.full else options.config
        cases = cases_of(configs, options.topology, options.phase)
        wrong = run(cases, options.jobs, write=options.write)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(wrong) or f"{len(cases)} programs within the budgets")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

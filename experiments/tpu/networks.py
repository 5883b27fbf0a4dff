"""What a training step of each kind of network costs a TPU, at its real size.

    python -m experiments.tpu.networks                  # compiles all, minutes each
    python -m experiments.tpu.networks --case wide cascade
    python -m experiments.tpu.networks --table          # as in the README
    python -m experiments.tpu.networks --memory         # likewise

Each case is a shipped configuration with some values of its own, on eight chips, in
bfloat16. `networks.csv` keeps a row of each, with the commit that it was measured at.
"""

import argparse
import csv
import pathlib
import subprocess
import sys
from typing import Any, NamedTuple

import jax

from experiments.tpu.check import load_values
from sisr_jax.aot.chips import CHIPS, parse_topology
from sisr_jax.aot.compilation import measure_config
from sisr_jax.aot.measurement import Measured
from sisr_jax.config import Config, parse
from sisr_jax.errors import InputError

ROWS = pathlib.Path(__file__).parent / "networks.csv"
TOPOLOGY = "v5e:2x4"
MEMORIES = "v5e", "v6e", "v5p"


class Case(NamedTuple):
    """One program.

    Attributes:
        networks: What the table calls them.
        config: A shipped configuration, `FILE` or `FILE:VARIANT`.
        phase: Which of its steps.
        data: Values of its section `data` that differ.
        generator: The section `generator` where it is another one.
    """

    networks: str
    config: str
    phase: str
    data: dict[str, Any]
    generator: dict[str, Any] | None = None


_WHOLE = {"patch": (512, 512)}
_FOUR_CROPS = {"batch_size": 64, "crops_per_image": 4}
_EIGHT_CROPS = {"batch_size": 64, "crops_per_image": 8}
_SIXTEEN_CROPS = {"batch_size": 64, "crops_per_image": 16}


def _unet(*widths: int, num_blocks: int = 1) -> dict[str, Any]:
    return {"kind": "unet", "widths": widths, "num_blocks": num_blocks}


CASES = {
    "original": Case(
        "original", "ct_srgan", "adversarial", {"batch_size": 64, "crops_per_image": 1}
    ),
    "original-crops": Case("original", "ct_srgan", "adversarial", _FOUR_CROPS),
    "original-eight": Case("original", "ct_srgan", "adversarial", _EIGHT_CROPS),
    "original-whole": Case(
        "original, whole slices",
        "ct_srgan",
        "adversarial",
        {"batch_size": 64, **_WHOLE},
    ),
    "original-whole-sixteen": Case(
        "original, whole slices",
        "ct_srgan",
        "adversarial",
        {"batch_size": 128, **_WHOLE},
    ),
    "original-whole-most": Case(
        "original, whole slices",
        "ct_srgan",
        "adversarial",
        {"batch_size": 288, **_WHOLE},
    ),
    "wide-single": Case(
        "`:tpu`",
        "ct_srgan:tpu",
        "adversarial",
        {"batch_size": 256, "crops_per_image": 1},
    ),
    "wide": Case("`:tpu`", "ct_srgan:tpu", "adversarial", {}),
    "wide-eight": Case("`:tpu`", "ct_srgan:tpu", "adversarial", _EIGHT_CROPS),
    "wide-generator": Case("`:tpu`", "ct_srgan:tpu", "generator", {}),
    "fast-single": Case(
        "`:tpu-fast`",
        "ct_srgan:tpu-fast",
        "adversarial",
        {"batch_size": 256, "crops_per_image": 1},
    ),
    "fast": Case("`:tpu-fast`", "ct_srgan:tpu-fast", "adversarial", {}),
    "fast-sixteen": Case(
        "`:tpu-fast`", "ct_srgan:tpu-fast", "adversarial", _SIXTEEN_CROPS
    ),
    "stage": Case("stage", "ct_srgan", "generator", _FOUR_CROPS, _unet(32, 64, 128)),
    "stage-wide": Case(
        "stage, 4 times the width",
        "ct_srgan",
        "generator",
        _FOUR_CROPS,
        _unet(128, 256, 512),
    ),
    "stage-wide-deep": Case(
        "stage, 4 times the width, twice the blocks",
        "ct_srgan",
        "generator",
        _FOUR_CROPS,
        _unet(128, 256, 512, num_blocks=2),
    ),
    "cascade-generator": Case("cascade, whole slices", "ct_cascade", "generator", {}),
    "cascade-generator-four": Case(
        "cascade, whole slices", "ct_cascade", "generator", {"batch_size": 32}
    ),
    "cascade": Case("cascade, whole slices", "ct_cascade", "adversarial", {}),
}

Row = dict[str, Any]


def configured(case: Case) -> Config:
    """The configuration of a case."""
    values = load_values(case.config)
    values["compute_dtype"] = "bfloat16"
    values["data"].update(case.data)
    if case.generator is not None:
        values["generator"] = case.generator
    return parse(values)


def row_of(case: str, measured: Measured, commit: str) -> Row:
    """A row of the table."""
    networks, config, phase, *_ = CASES[case]
    crops = configured(CASES[case]).data.crops_per_image
    cycles = measured.cycles
    return {
        "case": case,
        "networks": networks,
        "config": config,
        "program": phase,
        "commit": commit,
        "topology": TOPOLOGY,
        "slices_per_chip": measured.images // crops,
        "crops_per_slice": crops,
        "cycles_per_image": round(cycles / measured.images),
        "executed": round(measured.peak_fraction, 4),
        "useful": round(measured.useful_fraction, 4),
        "copies": round(measured.kinds["copy"] / cycles, 4),
        "degradation": round(measured.degradation_cycles / cycles, 4),
        "gflop_per_step_and_chip": round(measured.flops / 1e9, 1),
        "hbm_mib": round(measured.memory.needed / 2**20) if measured.memory else "",
    }


def read_rows() -> list[Row]:
    """The rows of `networks.csv`, texts."""
    with ROWS.open(newline="") as file:
        return list(csv.DictReader(file))


def write(row: Row) -> None:
    """Adds a row, or puts it in the place of that of the same case."""
    rows = {each["case"]: each for each in read_rows()} | {row["case"]: row}
    with ROWS.open("w", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[case] for case in CASES if case in rows)


def table() -> str:
    """The rows as Markdown."""
    lines = [
        "| networks | step | slices a chip | crops of each | cycles an image "
        "| executed | useful | copies | degradation | HBM, MiB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in read_rows():
        shares = " | ".join(
            f"{float(row[key]):.1%}"
            for key in ("executed", "useful", "copies", "degradation")
        )
        lines.append(
            f"| {row['networks']} | {row['program']} | {row['slices_per_chip']} "
            f"| {row['crops_per_slice']} | {int(row['cycles_per_image']):,} "
            f"| {shares} | {row['hbm_mib']} |"
        )
    return "\n".join(lines)


def memory_table() -> str:
    """How many whole slices fit each chip, as Markdown.

    By a line through the fewest and the most that a program was compiled for.
    """
    chips = {name: CHIPS[name].usable_bytes / 2**20 for name in MEMORIES}
    heads = [f"{name}, {usable:,.0f} MiB" for name, usable in chips.items()]
    lines = [
        f"| networks | step | MiB | and for each slice | {' | '.join(heads)} |",
        "|---|---|---|---|" + "---|" * len(heads),
    ]
    programs: dict[tuple[str, str], dict[int, int]] = {}
    for row in read_rows():
        if "whole" in row["networks"]:
            found = programs.setdefault((row["networks"], row["program"]), {})
            found[int(row["slices_per_chip"])] = int(row["hbm_mib"])
    for program, needed in programs.items():
        few, many = min(needed), max(needed)
        if few == many:
            continue
        slope = (needed[many] - needed[few]) / (many - few)
        fixed = needed[few] - slope * few
        fit = [str(int((usable - fixed) // slope)) for usable in chips.values()]
        numbers = f"{fixed:,.0f} | {slope:,.0f} | {' | '.join(fit)}"
        lines.append(f"| {program[0]} | {program[1]} | {numbers} |")
    return "\n".join(lines)


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.tpu.networks")
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--table", action="store_true", help="print the rows")
    parser.add_argument("--memory", action="store_true", help="print what fits")
    options = parser.parse_args()
    if options.table or options.memory:
        print(table() if options.table else memory_table())
        return 0
    jax.config.update("jax_platforms", "cpu")
    topology = parse_topology(TOPOLOGY)
    try:
        for name in options.case:
            case = CASES[name]
            (measured,) = measure_config(configured(case), topology, case.phase)
            write(row_of(name, measured, _commit()))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

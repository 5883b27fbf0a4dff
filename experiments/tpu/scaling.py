"""What more chips are worth: the step of a configuration on slices of growing size.

    python -m experiments.tpu.scaling                # compiles; minutes each
    python -m experiments.tpu.scaling --topology v5e:16x16
    python -m experiments.tpu.scaling --table        # of scaling.csv, as in the README
    python -m experiments.tpu.scaling --plot         # scaling.png, in a Python with
                                                     # Matplotlib

Every chip has as many crops as on the smallest slice (weak scaling). `scaling.csv`
has a row for each slice: cycles of a step as the compiler estimates them, bytes that
are summed over the chips, and the least time that this takes at the rate of the links.
The efficiency is the cycles on one chip over those of the step and of the sums, none
of which is taken to go on meanwhile.
"""

import argparse
import csv
import dataclasses
import pathlib
import sys
from typing import Any

import jax

from experiments.tpu.check import load_config
from sisr_jax.aot.chips import Topology, parse_topology
from sisr_jax.aot.compilation import measure_config
from sisr_jax.aot.measurement import Measured
from sisr_jax.config import Config
from sisr_jax.errors import InputError

ROWS = pathlib.Path(__file__).parent / "scaling.csv"
CONFIG, PHASE = "ct_srgan:tpu", "adversarial"
SLICES_PER_CHIP = 8  # of four crops each
TOPOLOGIES = ("v5e:1x1", "v5e:2x2", "v5e:2x4", "v5e:4x4", "v5e:8x8", "v5e:16x16")

Row = dict[str, Any]


def configured(chips: int) -> Config:
    """The configuration for a number of chips: nothing but its batch changes."""
    config = load_config(CONFIG)
    size = chips * SLICES_PER_CHIP
    data = dataclasses.replace(config.data, batch_size=size)
    evaluation = dataclasses.replace(config.evaluation, batch_size=size)
    return dataclasses.replace(config, data=data, evaluation=evaluation)


def row_of(topology: Topology, measured: Measured) -> Row:
    """A row of the table, without the efficiency."""
    num_bytes = sum(each.num_bytes for each in measured.collectives.values())
    return {
        "topology": str(topology),
        "chips": topology.num_chips,
        "crops_per_step": topology.num_chips * measured.images,
        "cycles": measured.cycles,
        "collectives": sum(each.count for each in measured.collectives.values()),
        "collective_bytes": num_bytes,
        "collective_cycles": round(
            topology.all_reduce_seconds(num_bytes) * topology.chip.clock_hz
        ),
        "hbm_mib": round(measured.memory.needed / 2**20) if measured.memory else "",
    }


def with_efficiency(rows: list[Row]) -> list[Row]:
    """Rows in order of their chips, with what each chip does of what one does alone."""
    rows = sorted(rows, key=lambda row: int(row["chips"]))
    alone = int(rows[0]["cycles"])
    return [
        row
        | {
            "efficiency": round(
                alone / (int(row["cycles"]) + int(row["collective_cycles"])), 4
            )
        }
        for row in rows
    ]


def read_rows() -> list[Row]:
    """The rows of `scaling.csv`, texts."""
    if not ROWS.exists():
        return []
    with ROWS.open(newline="") as file:
        return list(csv.DictReader(file))


def write(row: Row) -> None:
    """Adds a row, or puts it in the place of that of the same topology."""
    others = [each for each in read_rows() if each["topology"] != row["topology"]]
    rows = with_efficiency([*others, row])
    with ROWS.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def table() -> str:
    """The rows as Markdown."""
    lines = [
        "| chips | crops a step | cycles of a step | summed, MB "
        "| cycles of the sums | efficiency |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['chips']} | {int(row['crops_per_step']):,} | {int(row['cycles']):,} "
        f"| {int(row['collective_bytes']) / 1e6:.1f} "
        f"| {int(row['collective_cycles']):,} | {float(row['efficiency']):.1%} |"
        for row in read_rows()
    ]
    return "\n".join(lines)


def plot(path: pathlib.Path) -> None:
    """Crops in a second and efficiency against the number of chips."""
    from matplotlib.figure import Figure

    rows = read_rows()
    chips = [int(row["chips"]) for row in rows]
    rates = [
        int(row["crops_per_step"])
        * parse_topology(row["topology"]).chip.clock_hz
        / (int(row["cycles"]) + int(row["collective_cycles"]))
        for row in rows
    ]
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(chips, rates, "o-", label="estimated")
    axes.plot(chips, [rates[0] * n for n in chips], "--", lw=1, label="proportional")
    for row, x, y in zip(rows, chips, rates, strict=True):
        label = f"{float(row['efficiency']):.1%}"
        axes.annotate(label, (x, y), (6, -12), textcoords="offset points")
    axes.set(xscale="log", yscale="log", xlabel="chips", ylabel="crops in a second")
    axes.set_xticks(chips, [str(n) for n in chips])
    axes.minorticks_off()
    axes.set_title(f"{CONFIG}, {PHASE} step, 32 crops a chip")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.tpu.scaling")
    parser.add_argument("--topology", nargs="+", default=TOPOLOGIES)
    parser.add_argument("--table", action="store_true", help="print the rows")
    parser.add_argument("--plot", action="store_true", help="draw the rows")
    options = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")
    if options.plot:
        plot(ROWS.with_suffix(".png"))
    if options.table:
        print(table())
    if options.table or options.plot:
        return 0
    try:
        for topology in map(parse_topology, options.topology):
            config = configured(topology.num_chips)
            (measured,) = measure_config(config, topology, PHASE)
            write(row_of(topology, measured))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

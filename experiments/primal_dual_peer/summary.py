"""The table of the README, from the rows of a run.

python -m experiments.primal_dual_peer.summary results.csv
"""

import csv
import pathlib
import sys
from statistics import median

HEADER = (
    "work",
    "implementation",
    "time, ratio to ours (least to most)",
    "processor time, ratio to ours",
    "first call, s",
    "peak of a call, MB",
    "peak of the process, MB",
    "parameters",
    "adjoint error",
)


def table(path: pathlib.Path) -> str:
    """Markdown; a ratio is the median over the rounds of those within a round."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    calls = {(row["work"], row["name"], int(row["round"])): row for row in rows}
    last = max(number for *_, number in calls)

    def line(work: str, name: str) -> tuple[str, ...]:
        def column(field: str, of: str = name) -> list[float]:
            return [float(calls[work, of, n][field]) for n in range(1, last + 1)]

        def ratios(field: str) -> list[float]:
            pairs = zip(column(field), column(field, "ours"), strict=True)
            return [a / b for a, b in pairs]

        seconds, first = ratios("seconds"), calls[work, name, 0]
        return (
            work,
            name,
            f"{median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})",
            f"{median(ratios('cpu_seconds')):.2f}",
            f"{float(first['seconds']):.1f}",
            f"{max(column('call_megabytes')):.0f}",
            calls[work, name, last]["process_megabytes"],
            first["parameters"],
            f"{float(first['adjoint_error']):.0e}",
        )

    named = dict.fromkeys((row["work"], row["name"]) for row in rows)
    lines = [HEADER, ["---"] * len(HEADER), *(line(*key) for key in named)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


if __name__ == "__main__":
    print(table(pathlib.Path(sys.argv[1])))

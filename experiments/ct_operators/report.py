"""CSV files, tables and plots of one run."""

import csv
import pathlib
import statistics

from bars import BAR_COLUMNS, bars, best
from plots import draw_errors, draw_speed

BASE = "scikit-image"
CHECKS = {
    "point": "sinogram, point %",
    "bin": "sinogram, bin %",
    "fbp1000": "FBP 1000 dB",
    "fbp63": "FBP 63 dB",
    "adjoint": "adjoint error",
    "against_sinogram63": "sinogram to scikit-image",
    "against_fbp1000": "FBP 1000 to scikit-image",
    "against_fbp63": "FBP 63 to scikit-image",
    "slices_worst": "slices to scikit-image, worst dB",
    "slices_mean": "mean dB",
    "convention": "axes",
}


def write(
    out: pathlib.Path, versions: dict, problems: dict, times: dict, checks: dict
) -> None:
    """Writes every result into a folder.

    Args:
        out: The folder.
        versions: Of the implementations that ran.
        problems: Why the others did not run.
        times: The answers of the workers by name and operation.
        checks: Columns of the accuracy table by name.
    """
    rows = [_row(times, versions, *key) for key in times]
    _csv(out / "results.csv", rows)
    columns = ("peer", "version", *CHECKS, "slices")
    _csv(
        out / "accuracy.csv",
        [{"peer": n, "version": versions[n], **c} for n, c in checks.items()],
        columns,
    )
    parts = [
        "# Times\n\nLeast / median seconds of a call (how many times faster than "
        "scikit-image by the least), peak memory above that before the call.\n",
        _times_table(times, versions),
        *(f"\n{name} is missing: {problem}." for name, problem in problems.items()),
        "\n# Accuracy\n",
        _accuracy_table(checks),
        "\n# Bars\n",
        _markdown(list(BAR_COLUMNS), bars(times, checks)),
    ]
    (out / "table.md").write_text("\n".join(parts) + "\n")
    draw_speed(times, out / "speed_vs_batch.png")
    draw_errors(checks, out / "error_vs_analytic.png")
    print((out / "table.md").read_text())


def _row(times: dict, versions: dict, name: str, operation: str) -> dict:
    answers = times[name, operation]
    done = [answer for answer in answers if "seconds" in answer]
    row = {"peer": name, "version": versions[name], "operation": operation}
    if not done:
        why = answers[-1].get("absent") or answers[-1].get("error")
        return {**row, "note": why}
    least = min(answer["seconds"] for answer in done)
    base = best(times, BASE, operation)
    return {
        **row,
        "min_seconds": round(least, 5),
        "median_seconds": round(statistics.median(a["seconds"] for a in done), 5),
        "times_faster": round(base / least, 2) if base else "",
        "peak_megabytes": round(max(answer["megabytes"] for answer in done)),
        "note": "",
    }


def _csv(path: pathlib.Path, rows: list[dict], columns: tuple = ()) -> None:
    columns = columns or (
        "peer",
        "version",
        "operation",
        "min_seconds",
        "median_seconds",
        "times_faster",
        "peak_megabytes",
        "note",
    )
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows(rows)


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _times_table(times: dict, versions: dict) -> str:
    operations = list(dict.fromkeys(operation for _, operation in times))
    names = list(dict.fromkeys(name for name, _ in times))

    def cell(name: str, operation: str) -> str:
        if (name, operation) not in times:
            return "-"
        row = _row(times, versions, name, operation)
        if row["note"]:
            return row["note"]
        ratio = f" ({row['times_faster']:g}x)" if row["times_faster"] != "" else ""
        seconds = f"{row['min_seconds']:.3g} / {row['median_seconds']:.3g}"
        return f"{seconds}{ratio} +{row['peak_megabytes']} MB"

    rows = [[o, *(cell(name, o) for name in names)] for o in operations]
    return _markdown(["", *(f"{name} {versions[name]}" for name in names)], rows)


def _accuracy_table(checks: dict) -> str:
    def cell(column: str, values: dict) -> str:
        if column not in values:
            return "-"
        value = values[column]
        if column in ("point", "bin"):
            return f"{100 * value:.2f}"
        if isinstance(value, str):
            return value
        decibel = column.startswith(("fbp", "slices"))
        return f"{value:.2f}" if decibel else f"{value:.1e}"

    rows = [
        [name, *(cell(c, values) for c in CHECKS)] for name, values in checks.items()
    ]
    return _markdown(["", *CHECKS.values()], rows)

"""Prints `measured_few.csv` as the table of `measured.md`.

    python -m experiments.fan_beam.measured_table

A row for each scan and number of views: PSNR of each method, in brackets the gain over
the filtered back-projection of as many views.
"""

from collections import defaultdict

from experiments.fan_beam.measured import read

# How the columns of the page are called; methods have the weight in their names.
COLUMNS = {
    "FBP": "FBP",
    "data consistency": "data consistency",
    "TV": "TV",
    "sparse-view-ct": "sparse-view-ct",
    "sparse-view-ct-any-dose": "any-dose",
    "sparse-view-ct-any-dose, then TV": "any-dose, then TV",
}


def column_of(method: str) -> str:
    """A method without the weight of its total variation."""
    name, _, last = method.rpartition(" ")
    return name if last.replace(".", "").isdigit() else method


def table(rows: list[dict[str, str]]) -> str:
    """Markdown; the best of a row is bold."""
    found: dict[tuple[str, str], dict[str, dict[str, str]]] = defaultdict(dict)
    for row in rows:
        found[row["views"], row["scan"]][column_of(row["method"])] = row
    lines = [f"| views | scan | {' | '.join(COLUMNS.values())} |"]
    lines.append("|---" * (2 + len(COLUMNS)) + "|")
    for (views, scan), methods in sorted(found.items(), key=_views_of):
        best = max(methods.values(), key=lambda row: float(row["psnr"]))
        cells = [_cell(methods.get(name), best) for name in COLUMNS]
        lines.append(f"| {views} | {scan} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _views_of(item: tuple[tuple[str, str], object]) -> int:
    (views, _), _ = item
    return int(views)


def _cell(row: dict[str, str] | None, best: dict[str, str]) -> str:
    if row is None:
        return "-"
    gain = f" ({float(row['gain']):+.1f})" if float(row["gain"]) else ""
    text = f"{float(row['psnr']):.2f}{gain}"
    return f"**{text}**" if row is best else text


if __name__ == "__main__":
    print(table(read("few")))

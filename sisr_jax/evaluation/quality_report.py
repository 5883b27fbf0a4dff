"""What was measured of images as a physicist measures a scanner: table, CSV, JSON."""

import csv
import io
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from sisr_jax.metrics import Curve

NOISE_POWER, TRANSFER = "noise power (HU^2 mm^2)", "transfer"


class Number(NamedTuple):
    """A measured number.

    Attributes:
        quantity: What was measured, the same text for all methods.
        unit: Empty for a ratio.
        value: NaN if nothing could be measured; infinite beyond what can be.
        standard_error: NaN if it is not known.
        count: Of how many regions, slices or scans; 0 if of one mean of all.
    """

    quantity: str
    unit: str
    value: float
    standard_error: float = math.nan
    count: int = 0


class Quality(NamedTuple):
    """All that was measured of one method.

    Attributes:
        numbers: In the order of the table.
        curves: `NOISE_POWER` and `TRANSFER`, `[bins]` each.
    """

    numbers: tuple[Number, ...]
    curves: Mapping[str, Curve]


def as_text(qualities: Mapping[str, Quality]) -> str:
    """A table: a row for each number, a column for each method."""
    first = next(iter(qualities.values()))
    rows = [["", *qualities]]
    for index, number in enumerate(first.numbers):
        label = f"{number.quantity}, {number.unit}" if number.unit else number.quantity
        cells = [_cell(each.numbers[index]) for each in qualities.values()]
        rows.append([label, *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def as_csv(qualities: Mapping[str, Quality]) -> str:
    """A line for each number; `inf` and `nan` are written as such."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", *Number._fields])
    for name, quality in qualities.items():
        writer.writerows([name, *number] for number in quality.numbers)
    return text.getvalue()


def as_json(qualities: Mapping[str, Quality], settings: Mapping[str, Any]) -> str:
    """Settings, numbers and curves; what is not finite is null."""
    methods = {
        name: {
            "numbers": [number._asdict() for number in quality.numbers],
            "curves": {
                curve: {key: each.tolist() for key, each in values._asdict().items()}
                for curve, values in quality.curves.items()
            },
        }
        for name, quality in qualities.items()
    }
    content = _finite({"settings": settings, "methods": methods})
    return json.dumps(content, indent=1, allow_nan=False)


def _cell(number: Number) -> str:
    if math.isnan(number.value):
        return "-"
    if math.isinf(number.value):
        return "beyond"
    if not math.isfinite(number.standard_error):
        return f"{number.value:.3g}"
    return f"{number.value:.3g} +/- {number.standard_error:.2g}"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""The cells of an example: a Python script with lines `# %%` between them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

# The order of the gallery: from ten lines to parts of one's own.
NAMES = (
    "degrade_and_reconstruct",
    "your_own_loss",
    "operator_in_a_network",
    "operator_in_equinox",
    "sparse_view_ct",
    "fan_beam",
    "ultrasound_beams",
    "dicom_series",
    "trust_page",
    "train_on_your_folder",
    "all_devices",
    "add_a_network",
    "add_a_loss",
    "add_an_operator",
)

# What some import that does not come with the package.
ALSO_NEEDS = {"operator_in_equinox": ("equinox",)}

_CELL = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)


class Cell(NamedTuple):
    """A part of a script.

    Attributes:
        is_text: Whether it is Markdown, else Python.
        source: Without the line that begins it, and without empty lines around.
    """

    is_text: bool
    source: str


def cells(name: str) -> Iterator[Cell]:
    """The cells of an example, in their order."""
    script = (ROOT / "examples" / f"{name}.py").read_text()
    before, *parts = _CELL.split(script)
    if before:
        raise ValueError(f"examples/{name}.py: expected `# %%` in the first line")
    for mark, body in zip(parts[::2], parts[1::2], strict=True):
        source = body.strip("\n")
        if mark:
            source = re.sub(r"^# ?", "", source, flags=re.MULTILINE)
        yield Cell(bool(mark), source)


def title(name: str) -> str:
    """The heading that an example begins with."""
    return next(cells(name)).source.splitlines()[0].removeprefix("# ")

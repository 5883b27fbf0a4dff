"""Writes examples/notebooks/*.ipynb from examples/*.py.

    python -m docs.generate.notebooks

A notebook has no output. Before the cells of its script it has a badge that opens it in
Colab and a cell that installs the package beside the JAX that is there already.
"""

import json
from typing import Any

from docs.generate.scripts import NAMES, ROOT, cells

# Owner and name of the place that Colab reads notebooks from.
REPOSITORY = "OWNER/sisr_jax"
FOLDER = "examples/notebooks"

_COLAB = "https://colab.research.google.com"
_INSTALL = """\
# Keeps the JAX of the runtime, which fits its TPU or GPU.
%pip install --quiet sisr-jax
import jax

print(jax.devices())"""


def colab_address(name: str) -> str:
    """Where Colab opens the notebook of an example."""
    return f"{_COLAB}/github/{REPOSITORY}/blob/main/{FOLDER}/{name}.ipynb"


def notebook(name: str) -> str:
    """The notebook of an example, as the text of its file."""
    badge = (
        f"[![Open in Colab]({_COLAB}/assets/colab-badge.svg)]({colab_address(name)})"
    )
    first = [_cell(0, badge, is_text=True), _cell(1, _INSTALL, is_text=False)]
    rest = [
        _cell(number, cell.source, is_text=cell.is_text)
        for number, cell in enumerate(cells(name), start=2)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {
        "cells": first + rest,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, source: str, *, is_text: bool) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "markdown" if is_text else "code",
        "id": f"cell-{number}",
        "metadata": {},
        "source": source.splitlines(keepends=True),
    }
    return cell if is_text else cell | {"execution_count": None, "outputs": []}


def main() -> None:
    """Writes all of them."""
    for name in NAMES:
        (ROOT / FOLDER / f"{name}.ipynb").write_text(notebook(name))


if __name__ == "__main__":
    main()
